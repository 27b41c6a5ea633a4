#!/usr/bin/env bash
# Runs a config, unchanged, through the tools that mmpretrain and MMRazor
# install, instead of through this repository's own:
#
#   tests/classic/check_installed_tools.sh [--python PYTHON] \
#       [CONFIG [KEY=VALUE ...]]
#
#   --python PYTHON  the environment to check, as its python; without it
#                    .venv-classic, made on first use from python3.10 (or
#                    PYTHON310=path) and requirements/classic.txt
#   CONFIG           defaults to LAKD on the digits data, a few minutes a tool
#   KEY=VALUE        config options, for all tools, as in
#                    model.teacher_ckpt=path train_cfg.max_epochs=1
#
# A teacher checkpoint that the config names and that isn't there is trained
# first, if configs/teachers has its config. Then, each with its own folder
# and its own log in work_dirs/classic/torch-VERSION:
#
#   1. mmpretrain's tools/train.py, and its tools/test.py on the checkpoint;
#   2. MMRazor's tools/train.py, and the same test. Only on torch 1.13: on
#      torch >= 2 that tool stops before it reads the config, and so before
#      any plugin could help it.
#
# The last lines are a table; the status is 0 if every tool's status was.
set -euo pipefail
cd "$(dirname "$0")/../.."
export PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}"

main() {
    local python='' config=configs/lakd/lakd_resnet20_resnet8_1xb64_digits.py
    if [[ ${1-} == -h || ${1-} == --help ]]; then
        sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "$0"
        return
    fi
    if [[ ${1-} == --python ]]; then
        python=${2:?--python needs the path of a python}
        shift 2
    fi
    if (($#)); then
        config=$1
        shift
    fi
    options=("$@")
    [[ -f $config ]] || fail "There is no config $config."
    if [[ -z $python ]]; then
        make_environment
        python=.venv-classic/bin/python
    fi
    "$python" -c 'import torch' || fail "$python has no PyTorch."

    torch=$("$python" -c 'import torch; print(torch.__version__)')
    mmpretrain=$(tools_of mmpretrain)
    mmrazor=$(tools_of mmrazor)
    folder=work_dirs/classic/torch-$torch
    rows=() failures=0
    mkdir -p "$folder"

    train_missing_teacher
    train_and_test mmpretrain "$mmpretrain"
    if [[ $torch == 1.13.* ]]; then
        train_and_test mmrazor "$mmrazor"
    fi

    local row='%-31s %-13s %6s %9s  %s\n'
    # shellcheck disable=SC2059
    printf "\n$row" tool torch status accuracy log
    # shellcheck disable=SC2059
    printf "$row" "${rows[@]}"
    ((failures == 0))
}

fail() {
    echo "$1" >&2
    exit 2
}

# The copy of the requirements is written last, so that an environment is used
# only if it was finished, and from the requirements of today.
make_environment() {
    local venv=.venv-classic requirements=requirements/classic.txt
    if cmp -s "$requirements" "$venv/installed.txt"; then
        return
    fi
    local python=${PYTHON310:-python3.10}
    "$python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 10))' ||
        fail "$python isn't a Python 3.10: name one with PYTHON310=path."
    echo "Setting up $venv from $requirements: about 4 GB, a few minutes."
    "$python" -m venv --clear "$venv"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check \
        -r "$requirements" || fail "The set-up of $venv failed."
    cp "$requirements" "$venv/installed.txt"
}

# Where a package keeps its tools, without importing it.
tools_of() {
    "$python" - "$1" <<'END'
import importlib.util
import sys

spec = importlib.util.find_spec(sys.argv[1])
if spec is None:
    sys.exit(f'{sys.executable} has no package {sys.argv[1]}.')
print(f'{spec.submodule_search_locations[0]}/.mim/tools')
END
}

# Where the config expects the checkpoint of a config in configs/teachers.
train_missing_teacher() {
    local checkpoint teacher name
    checkpoint=$("$python" - "$config" "${options[@]}" <<'END'
import sys

from mmengine.config import Config

config = Config.fromfile(sys.argv[1], import_custom_modules=False)
config.merge_from_dict(dict(option.split('=', 1) for option in sys.argv[2:]))
print(config.model.get('teacher_ckpt') or '')
END
    )
    if [[ -z $checkpoint || -f $checkpoint || $checkpoint == *://* ]]; then
        return
    fi
    name=$(basename "$(dirname "$checkpoint")")
    teacher=configs/teachers/$name.py
    [[ -f $teacher ]] || fail "There is no teacher $checkpoint, and no config \
$teacher to train it: name another with model.teacher_ckpt=path."
    run 'mmpretrain train (teacher)' "$folder/$name.log" \
        "$mmpretrain/train.py" "$teacher" \
        --work-dir "$(dirname "$checkpoint")"
    [[ -f $checkpoint ]] || fail "$teacher trained, but not to $checkpoint."
}

train_and_test() {
    local tool=$1 tools=$2 work_dir=$folder/$1 cfg_options=()
    if ((${#options[@]})); then
        cfg_options=(--cfg-options "${options[@]}")
    fi
    rm -rf "$work_dir"
    run "$tool train" "$folder/$tool-train.log" "$tools/train.py" "$config" \
        --work-dir "$work_dir" "${cfg_options[@]}"
    if [[ -f $work_dir/last_checkpoint ]]; then
        run "mmpretrain test ($tool's)" "$folder/$tool-test.log" \
            "$mmpretrain/test.py" "$config" \
            "$(cat "$work_dir/last_checkpoint")" \
            --work-dir "$work_dir/test" "${cfg_options[@]}"
    fi
}

# run NAME LOG TOOL ARGUMENTS: one tool, one row of the table.
run() {
    local name=$1 log=$2 status=0 accuracy
    shift 2
    echo "$name: $log"
    "$python" "$@" >"$log" 2>&1 || status=$?
    if ((status)); then
        failures=$((failures + 1))
        tail -n 5 "$log"
    fi
    accuracy=$(sed -n 's,.*accuracy/top1: *\([0-9.]*\).*,\1,p' "$log" |
        tail -n 1)
    rows+=("$name" "$torch" "$status" "${accuracy:--}" "$log")
}

main "$@"
