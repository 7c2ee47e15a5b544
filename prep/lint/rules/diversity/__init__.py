"""DIV rules. Does the data cover what it should?"""
