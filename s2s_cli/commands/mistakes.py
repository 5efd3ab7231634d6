"""Likely mistakes on the command line, and what was probably meant."""

import re
from collections.abc import Iterable, Sequence

# Names that fairseq, Marian, OpenNMT, Sockeye, JoeyNMT, sacreBLEU and others have for an option or
# argument of ours.
OPTION_SYNONYMS = {
    "alignments": "alignment align print-alignment report-align",
    "attention": "attn attention-type attention-mechanism global-attention rnn-attention-type",
    "bare": "score-only metric metrics",
    "baseline": "paired-bs paired-ar",
    "batch-size": "batch bsz max-sentences mini-batch minibatch minibatch-size max-tokens",
    "best-by": "best-checkpoint-metric early-stopping-metric optimised-metric keep-best",
    "beam": "beam-size beam-width num-beams beams",
    "bidirectional": "brnn bi bilstm birnn encoder-bidirectional",
    "bootstrap": "confidence confidence-n ci",
    "cell": "rnn rnn-type rnn-cell-type cell-type unit-type enc-cell",
    "clip-norm": "clip grad-clip clip-gradient clip-grad-norm max-grad-norm clip-threshold "
    "gradient-clipping-threshold max-gradient-norm clip-grad",
    "config": "settings conf config-file configuration",
    "corpus": "text text-dir input input-dir data",
    "data": "data-dir data-bin data-path prepared-data",
    "decoder-hidden-size": "dec-rnn-size dec-hid-size",
    "decoder-layers": "dec-layers dec-depth num-decoder-layers",
    "detokenise": "detok",
    "device": "gpu-id device-id cuda-device",
    "dropout": "dropout-rate dropout-rnn drop dropout-prob dropout-p",
    "embedding-size": "emb emb-size emb-dim embed-dim embed-size embedding embedding-dim dim-emb "
    "num-embed word-vec-size encoder-embed-dim decoder-embed-dim",
    "epochs": "epoch max-epoch max-epochs num-epochs n-epochs after-epochs max-num-epochs",
    "forbid-unk": "no-unk unkpen unk-penalty allow-unk",
    "gpus": "num-gpus n-gpus ngpu ngpus n-gpu devices device-ids world-size gpu-ranks gpuid "
    "distributed-world-size",
    "halve-after": "start-decay-steps start-decay-at lr-decay-start decay-after",
    "halve-every": "decay-steps decay-every lr-decay lr-shrink decay-factor learning-rate-decay "
    "lr-scheduler learning-rate-schedule",
    "hidden-size": "hidden hidden-dim hid hid-dim rnn-size rnn-dim dim-rnn dim num-units "
    "rnn-num-hidden enc-rnn-size encoder-hidden-size lstm-size units cells",
    "initial-range": "init-range param-init init-scale init-weight init-uniform",
    "input": "src source src-file source-file input-file text test",
    "input-feeding": "input-feed feed-input",
    "keep": "keep-last keep-last-epochs keep-checkpoint keep-checkpoints keep-interval-updates "
    "max-to-keep num-checkpoints",
    "language": "lang l target-language target-lang trg-lang tgt-lang",
    "layers": "num-layers n-layers nlayers depth enc-layers encoder-layers enc-depth",
    "learning-rate": "lr learn-rate initial-learning-rate base-lr eta",
    "log-every": "log-interval log-freq logging-freq log-steps report-every disp-freq "
    "steps-per-stats",
    "max-length": "max-len max-len-a max-len-b max-output-length max-seq-length max-seq-len "
    "max-source-positions max-target-positions src-max-len",
    "max-minutes": "max-time time-limit stop-time-hours stop-min",
    "max-updates": "max-update max-steps train-steps num-steps steps num-train-steps updates "
    "after-batches after-updates iterations max-iter",
    "mbr-scale": "scale",
    "measure": "profile benchmark",
    "min-count": "min-freq min-frequency thresholdsrc thresholdtgt word-min-count "
    "src-words-min-frequency tgt-words-min-frequency voc-min-freq",
    "model": "models model-dir model-path model-folder path checkpoint ckpt save-dir save-model "
    "load restore-file train-from",
    "nbest": "n-best nbest-list n-best-list list",
    "normalise": "lenpen len-pen length-penalty length-penalty-alpha length-normalisation alpha "
    "norm",
    "optimiser": "optim opt",
    "output": "out out-file output-file output-dir outdir out-dir destdir save-data",
    "patience": "early-stopping early-stop max-num-checkpoint-not-improved",
    "precision": "dtype",
    "quiet": "silent log-level no-progress no-progress-bar",
    "reference": "references ref refs tgt target",
    "replace-unk": "replace-unknown unk-replace unk-replacement",
    "restarts": "random-restarts",
    "reverse-source": "reverse reversed reverse-src reverse-input",
    "save-every": "save-freq save-interval save-steps save-checkpoint-steps checkpoint-interval "
    "checkpoint-frequency save-interval-updates",
    "seed": "random-seed rng-seed",
    "sentences": "sentence-level segment sentence-bleu",
    "samples": "print-valid-sents sample-every valid-samples",
    "source": "src source-file src-file input",
    "source-language": "source-lang src-lang src",
    "source-size": "vocab-size src-vocab-size source-vocab-size nwordssrc src-vocab max-vocab "
    "dim-vocabs num-words voc-limit vocabulary-size",
    "subword-size": "bpe-size bpe-operations num-symbols merges vocab-size subword-vocab-size",
    "subwords": "bpe spm subword subword-type sentencepiece",
    "target-language": "target-lang tgt-lang trg-lang tgt trg",
    "target-size": "tgt-vocab-size target-vocab-size nwordstgt tgt-vocab",
    "test": "testpref test-src test-path",
    "threads": "cpu-threads num-threads omp-num-threads intra-op-threads",
    "tokenize": "tok",
    "tokenised": "pretokenised is-tokenised",
    "train": "trainpref train-src train-path train-data training-text train-sets",
    "translation": "hyp hyps hypothesis hypotheses system systems input",
    "valid": "validpref valid-src valid-path dev validation valid-sets validation-source",
    "validate-bleu": "eval-bleu valid-metrics decode-and-evaluate valid-bleu",
    "validate-every": "valid-freq valid-steps valid-interval validate-interval validation-freq "
    "eval-every eval-steps",
    "workers": "num-workers jobs nproc processes num-threads threads",
}
# Switches of other tools, and our option with its value.
SWITCHES = {
    "device cpu": "cpu use-cpu no-cuda",
    "device cuda": "cuda use-cuda gpu use-gpu",
    "optimiser adam": "adam",
    "precision bf16": "fp16 bf16 half float16 bfloat16 amp mixed-precision",
    "precision int8": "int8 quantize quantise",
    "precision tf32": "tf32 allow-tf32",
}
# Options of other tools whose purpose is served in another way.
OTHER_WAYS = {
    "resume": "the same `s2s train` command resumes a training",
    "continue": "the same `s2s train` command resumes a training",
    "continue-from": "the same `s2s train` command resumes a training",
    "overwrite": "nothing is overwritten unasked; remove what is in the way",
    "force": "nothing is overwritten unasked; remove what is in the way",
    "verbose": "all messages are printed unless you give --quiet",
    "v": "all messages are printed unless you give --quiet",
    "version": "it is an option of s2s: s2s --version",
}
# Options of one path that are given twice by those who expect them to take several, and what to do
# instead. Of any other option the last value counts, so that a script can be overridden.
REPEATED = {
    "baseline": "compare with one at a time",
    "config": "only one file is read",
    "hypothesis": "translations are arguments: s2s score REFERENCE TRANSLATION...",
    "input": "join the files: cat a b | s2s decode",
    "oracle": "score one list at a time",
}
COMMAND_SYNONYMS = {
    "init": "new setup create start configure",
    "prep": "prepare preprocess preprocessing tokenise binarise binarize tokenize clean data",
    "vocab": "vocabulary build-vocab buildvocab dict",
    "train": "fit learn training",
    "decode": "translate generate infer inference predict interactive search test",
    "rescore": "rerank reranker nbest n-best",
    "score": "evaluate eval bleu sacrebleu chrf perplexity metrics",
    "export": "onnx convert",
    "show": "plot plots figure figures draw visualise visualize picture pictures",
    "info": "describe inspect summary",
    "average": "avg mean",
}
YES_OR_NO = ("true", "false", "yes", "no", "on", "off", "0", "1")


def plain_name(option: str) -> str:
    """An option as ours are spelt: small letters, hyphens, British, no dashes in front."""
    name = option.lstrip("-").partition("=")[0].lower().replace("_", "-")
    return re.sub("(?<!s)iz(?=[ea])", "is", name)  # but a size is no sise


def meant_options(option: str, known: Iterable[str]) -> list[str]:
    """Names among ``known`` that ``option`` may stand for, the likeliest first.

    Args:
        option: as typed, ``--lr``.
        known: options and arguments of the command, without dashes.
    """
    known = list(known)
    return same_options(option, known) or close(plain_name(option), known)


def same_options(option: str, known: Sequence[str]) -> list[str]:
    """The name among ``known`` that ``option`` is but for its spelling, or is called elsewhere."""
    name = plain_name(option)
    if name in known:
        return [name]
    return [
        ours
        for ours, others in (SWITCHES | OPTION_SYNONYMS).items()
        if ours.partition(" ")[0] in known and name in others.split()
    ]


def meant_commands(typed: str, known: Iterable[str]) -> list[str]:
    """Names among ``known`` that ``typed`` may stand for."""
    known = list(known)
    name = typed.lower().replace("_", "-")
    synonyms = [
        ours
        for ours, others in COMMAND_SYNONYMS.items()
        if ours in known and name in others.split()
    ]
    return synonyms or close(name, known)


def close(name: str, known: Sequence[str]) -> list[str]:
    """The names that look most like ``name``."""
    from difflib import get_close_matches

    longer = [each for each in known if len(name) > 2 and each.startswith(name)]
    return longer[:3] or get_close_matches(name, known)


def any_of(names: Sequence[str]) -> str:
    """Join names for a question: ``a``, ``a or b``, ``a, b or c``."""
    *first, last = names
    return f"{', '.join(first)} or {last}" if first else last
