#!/usr/bin/env bash
# From a folder of labelled videos to a weights folder: the commands of docs/train.md in their order.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: scripts/run_training.sh --input-dir DIR --config FILE --out DIR [options]

Runs extract, split, stats, fit, evaluate and export of `python -m train`, each into a folder of its
own below --out. Started again after a stop it goes on where it was.

  --input-dir DIR      the data set's folder (docs/data.md draws the layouts)
  --config FILE        what to train, such as train/configs/mobilenetv3.yaml
  --out DIR            folder to write: crops, split, stats, run, val_figs, test_figs, weights
  --frames N           frames of a video, spread evenly [16]
  --set KEY=VALUE      a setting of the config, as often as wanted
  --split-option WORD  an option of `train split`, such as --drop-bridges, as often as wanted
  --dry-run            print the commands and run none
  --help               print this

PYTHON names the interpreter [.venv/bin/python where there is one, else python3].
TEXT
}

fail() {
  echo "error: $1 Run scripts/run_training.sh --help." >&2
  exit 2
}

input='' config='' out='' frames=16 dry=''
settings=() split_options=()
while [ $# -gt 0 ]; do
  case $1 in
    --help) usage; exit ;;
    --dry-run) dry=yes; shift; continue ;;
    --input-dir | --config | --out | --frames | --set | --split-option) ;;
    *) fail "the option must be known, but got '$1'." ;;
  esac
  [ $# -gt 1 ] || fail "$1 must have a value, but got none."
  case $1 in
    --input-dir) input=$2 ;;
    --config) config=$2 ;;
    --out) out=$2 ;;
    --frames) frames=$2 ;;
    --set) settings+=(--set "$2") ;;
    --split-option) split_options+=("$2") ;;
  esac
  shift 2
done
[ -n "$input" ] || fail '--input-dir must be given, but is missing.'
[ -n "$config" ] || fail '--config must be given, but is missing.'
[ -n "$out" ] || fail '--out must be given, but is missing.'

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
python=${PYTHON:-python3}
[ -n "${PYTHON:-}" ] || [ ! -x "$root/.venv/bin/python" ] || python=$root/.venv/bin/python
export PYTHONPATH=$root${PYTHONPATH:+:$PYTHONPATH}

train() {
  printf '+ python -m train'
  printf ' %q' "$@"
  printf '\n'
  [ -n "$dry" ] || "$python" -m train "$@"
}

# Crops are cut as the model wants them; this also finds a wrong setting before hours of work.
crop=$("$python" - "$config" ${settings[@]+"${settings[@]}"} <<'PYTHON'
import sys
from pathlib import Path

from dfexplain.errors import SettingError
from train import config

try:
    model = config.read(Path(sys.argv[1]), sys.argv[3::2]).model
except SettingError as error:
    sys.exit(f"error[{error.code}]: {error}")
print(model.crop_px, model.crop_margin)
PYTHON
) || exit 2
read -r crop_px margin <<<"$crop"

train_csv=$out/split/metadata_train.csv val_csv=$out/split/metadata_val.csv
test_csv=$out/split/metadata_test.csv
images=(--image-root "$out/crops")
tables=(--train-csv "$train_csv" --val-csv "$val_csv" "${images[@]}")

train extract --input-dir "$input" --output-dir "$out/crops" --frames "$frames" \
  --crop-px "$crop_px" --margin "$margin"
train split "${images[@]}" --out "$out/split" ${split_options[@]+"${split_options[@]}"}
train stats "${images[@]}" --split-dir "$out/split" --out "$out/stats"
train fit --config "$config" ${settings[@]+"${settings[@]}"} "${tables[@]}" --run "$out/run"
train evaluate --run "$out/run" --val-csv "$val_csv" "${images[@]}" --out "$out/val_figs"
train evaluate --run "$out/run" --val-csv "$val_csv" --test-csv "$test_csv" "${images[@]}" \
  --out "$out/test_figs"
train export --run "$out/run" "${tables[@]}" --out "$out/weights"
