# s2s on CPUs. In a clone:
#
#   docker build --tag s2s .
#   docker run --rm --entrypoint /s2s/recipes/numbers_en_fr/run.sh s2s     # the demo
#
# On your own text, in the directory that has it; files get your name as their owner:
#
#   docker run --rm --interactive --tty --user "$(id -u):$(id -g)" --volume "$PWD:/work" s2s prep
FROM python:3.13-slim

# PyPI's torch for Linux is the CUDA build of several gigabytes; this index has the one for CPUs.
ENV PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_ROOT_USER_ACTION=ignore

# torch alone first: a change of s2s does not install it anew.
WORKDIR /s2s
COPY constraints.txt .
RUN pip install --constraint constraints.txt torch

COPY . .
RUN pip install --constraint constraints.txt '.[plot,subwords,onnx]'

# Your files are mounted here.
WORKDIR /work
ENTRYPOINT ["s2s"]
CMD ["--help"]
