"""LBL rules. Are the labels right?"""
