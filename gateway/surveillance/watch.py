"""The rules and the throttle over one stream of events, with thresholds that change where the log changes them."""

from dataclasses import replace

from gateway.surveillance import thresholds
from gateway.surveillance.activity import Alert, Owners, Rows
from gateway.surveillance.execution_rate import Throttle
from gateway.surveillance.parameters import Parameters
from gateway.surveillance.rule_runner import RuleRunner


class Watch:
    """The same alerts live and by replay, however the stream is cut into batches."""

    def __init__(self, parameters: Parameters, owners: Owners | None = None) -> None:
        self.parameters = parameters
        self.rules = RuleRunner(parameters, owners)
        self.throttle = Throttle(parameters)

    def take(self, events: Rows, stopped: list[Alert]) -> list[Alert]:
        """Take a batch; returns the alerts of the rules. Those of accounts that must be stopped are added to `stopped`.

        When a rule fails the error is raised at the end, with everything else done.
        """
        found: list[Alert] = []
        failure: Exception | None = None
        for part, changed in thresholds.parts(events):
            stopped += self.throttle.take(part)
            try:
                found += self.rules.take(part)
                if changed:
                    found += self.rules.flush()
            except Exception as error:
                failure = error
            if changed:
                self.parameters = replace(self.parameters, **changed)
                self.throttle.adopt(self.parameters)
                self.rules.adopt(self.parameters)
        if failure is not None:
            raise failure
        return found
