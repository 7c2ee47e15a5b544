"""GRM rules. Are the answers whole and true to their input?"""
