"""Tokenise stdin through the interface of sacremoses. usage: sacremoses_api.py LANGUAGE"""

import sys

from sacremoses import MosesTokenizer

tokeniser = MosesTokenizer(sys.argv[1])
for line in sys.stdin:
    print(tokeniser.tokenize(line, escape=False, return_str=True))
