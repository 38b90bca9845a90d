"""What the answers to a subscription's requests mean."""

from hookline.classify import MOST_STATUSES, rules
from hookline.errors import InvalidArgument
from hookline.model.limits import AnswerRules
from hookline.validation.text import wrong_type
from hookline.validation.url import Problems


def answer_problems(answers: object) -> Problems:
    """What is wrong with the rules for answers."""
    if not isinstance(answers, AnswerRules):
        yield "answers", wrong_type("answers", answers, "AnswerRules").description
        return
    for name in ("delivered", "final", "disabling"):
        statuses = getattr(answers, name)
        if not isinstance(statuses, tuple) or len(statuses) > MOST_STATUSES or not all(isinstance(each, str) for each in statuses):
            yield f"answers.{name}", f"is not right; right is a tuple of at most {MOST_STATUSES} statuses, like '2xx' and '204'"
            return
    if not answers.disabling:
        yield "answers.disabling", "is empty; right is at least one status, '410' as a rule"
    if not answers.delivered:
        yield "answers.delivered", "is empty, so that no delivery could succeed; right is at least one status, '2xx' as a rule"
    if not isinstance(answers.final_header, str):
        yield "answers.final_header", wrong_type("final_header", answers.final_header, "a string").description
        return
    try:
        rules(answers)
    except InvalidArgument as refusal:
        for violation in refusal.violations:
            yield violation.field, violation.description
