"""CON rules. Do equal inputs get equal answers, in one form?"""
