"""Extras: which `tidemill[EXTRA]` brings an optional library, and the command that installs it."""

EXTRAS = {
    "lightgbm": "lightgbm", "xgboost": "xgboost", "catboost": "catboost", "onnxruntime": "onnx",
    "sklearn": "sklearn", "skops": "sklearn", "joblib": "sklearn", "threadpoolctl": "sklearn",
    "pandas": "sklearn", "pyarrow": "sklearn", "torch": "torch", "safetensors": "torch",
    "duckdb": "sql", "optuna": "optuna", "psycopg": "postgres",
}  # fmt: skip
"""The extra by the name of the package that is imported."""


def installing(module: str) -> str:
    """Return the command that installs what a module is of.

    >>> installing("skops.io")
    "pip install 'tidemill[sklearn]'"
    >>> installing("onnx")
    'pip install onnx'
    """
    package = module.partition(".")[0]
    extra = EXTRAS.get(package)
    return f"pip install 'tidemill[{extra}]'" if extra else f"pip install {package}"
