"""FMT rules. Is every row readable and well formed?"""
