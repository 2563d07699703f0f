"""ONNX Runtime as the engine: conversion, the proof that it repeats scikit-learn, serving."""
