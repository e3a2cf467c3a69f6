"""A rule is a sentence, and what in the documents contradicts it. Each rule has at least one way to
break it on purpose: a check that nothing can make fail says nothing."""

import copy

RULES = {}
BREAKS = []


def rule(sentence):
    """Makes a function from documents to findings a rule."""

    def register(function):
        RULES[sentence] = function
        return function

    return register


def breaks(function):
    """A function that changes documents so that the rule `function` must find something."""

    def register(change):
        BREAKS.append((function, change))
        return change

    return register


def findings(documents):
    """Everything that contradicts a rule: (the rule's sentence, what)."""
    return [(sentence, what) for sentence, function in RULES.items() for what in function(documents)]


def blind(documents):
    """Rules that do not notice that they are broken, or that nobody tries to break."""
    sentences = {function: sentence for sentence, function in RULES.items()}
    tried = {function for function, _ in BREAKS}
    result = [
        f"nobody tries to break: {sentence}" for function, sentence in sentences.items() if function not in tried
    ]
    for function, change in BREAKS:
        broken = type(documents)(copy.deepcopy(documents.all))
        change(broken)
        if not list(function(broken)):
            result.append(f"not noticed: {change.__name__.replace('_', ' ')}, against: {sentences[function]}")
    return result
