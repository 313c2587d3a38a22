#!/usr/bin/env bash
# Takes the steps of action.yml as GitHub would, and looks at what they leave: annotations, summary, outputs,
# reports, exit status.
set -euo pipefail
cd "$(dirname "$0")/../.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
LABSIM=$(realpath "${LABSIM:-target/release/labsim}")
export LABSIM GITHUB_OUTPUT=$work/output GITHUB_STEP_SUMMARY=$work/summary LABSIM_REPORTS=$work/reports

wrong() { echo "wrong: $*"; exit 1; }
# take STATUS: the step, which must end so.
take() {
    local status=0
    .ci/action run >"$work/log" 2>&1 || status=$?
    [ "$status" -eq "$1" ] || { cat "$work/log"; wrong "exit status $status, not $1"; }
}

LABSIM_SCENARIOS=$'  scenarios/inter-group.yaml \n\nscenarios/intra-group.yaml\n' LABSIM_ARGS=$'--quiet\n--seed 7' take 0
grep -qx 'outcome=pass' "$work/output" || wrong 'the outcome of a run that passes'
grep -q '2 passed' "$work/summary" || wrong 'the summary of a run that passes'
for file in junit.xml report.json report.html; do [ -s "$work/reports/$file" ] || wrong "no $file"; done

: >"$work/output"
LABSIM_SCENARIOS=tests/cases/fails-pattern/scenario.yaml LABSIM_ARGS=--quiet take 1
grep -qx 'outcome=fail' "$work/output" || wrong 'the outcome of a run that fails'
grep -q '^::error file=tests/cases/fails-pattern/scenario.yaml,line=' "$work/log" || wrong 'no annotation'
grep -q '1 failed' "$work/summary" || wrong 'the summary of a run that fails'

: >"$work/output"
LABSIM_SCENARIOS=scenarios/no-such-file.yaml take 64
grep -qx 'outcome=error' "$work/output" || wrong 'the outcome of a file that is missing'
env -u LABSIM_SCENARIOS .ci/action run >/dev/null 2>&1 && wrong 'no scenarios are no error'

# What action.yml names is what the script reads.
for name in LABSIM LABSIM_SCENARIOS LABSIM_ARGS LABSIM_REPORTS; do
    grep -q "^        $name: " action.yml || wrong "action.yml does not set $name"
done
python3 - <<'PY' || { [ $? -eq 77 ] || exit 1; }
import sys
try:
    import yaml
except ImportError:
    sys.exit(77)
action = yaml.safe_load(open("action.yml"))
assert action["runs"]["using"] == "composite", action["runs"]
ids = [step.get("id") for step in action["runs"]["steps"]]
assert "run" in ids, ids
for name, output in action["outputs"].items():
    assert output["value"] == "${{ steps.run.outputs.%s }}" % name, output
PY
echo 'the action does what it says'
