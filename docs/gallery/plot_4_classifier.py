"""
A sparse classifier with its exact path
=======================================

Logistic regression on the breast cancer data: thirty measurements of cell nuclei, 569 tumours. The limit flow of
this loss is exact, too: between two knots it is the maximum-likelihood fit on columns found so far, with their
signs, neither shrunk nor followed to a tolerance.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split

import lassoflow as lf

X, y = load_breast_cancer(return_X_y=True, as_frame=True)
kind = np.where(y == 1, "benign", "malignant")
train, test, kind_train, kind_test = train_test_split(X, kind, test_size=0.3, random_state=0, stratify=kind)
model = lf.FlowClassifierCV(penalty_factor="std").fit(train, kind_train)
print(model.selection_)
print(f"{model.score(test, kind_test):.1%} of the {len(test)} tumours left out are classified correctly")

# %%
# The path goes on where the choice has stopped: here down to a hundredth of the largest penalty.
problem = lf.Logistic(train, kind_train, fit_intercept=True)
path = lf.limit_flow(problem, penalty_factor="std", lambda_min=4e-3)
print(path)
print(lf.certify(path).summary)

# %%
# Coefficients times the standard deviations of their columns, so that they are logits and comparable: along the
# path, with the choice as a line, and as chosen.
scale = problem.deviations
coef = model.coef_.ravel() * scale
found = np.flatnonzero(coef)
found = found[np.argsort(np.abs(coef[found]))]
figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.5), layout="constrained", width_ratios=[5, 3])
lf.PathDisplay.from_path(path, scale=scale).plot(left, n_labels=7)
left.axvline(1 / model.alpha_, color="0.3", linestyle="--", linewidth=1.0)
left.set_ylabel("log-odds of malignant per std")
right.barh(np.arange(found.size), coef[found], color=np.where(coef[found] > 0, "#882255", "#117733"), height=0.6)
right.set_yticks(np.arange(found.size), X.columns[found])
right.axvline(0.0, color="0.4", linewidth=0.8)
right.set(xlabel="log-odds of malignant per std", title=f"chosen: {found.size} of 30 columns")
right.spines[["top", "right"]].set_visible(False)
plt.show()
