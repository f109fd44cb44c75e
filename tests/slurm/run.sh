#!/usr/bin/env bash
# A Slurm cluster of one node on loopback, and a suite on it: an array of cells, a planned failure, a preemption.
# Needs slurm-wlm, munge and root. Ends every daemon that it started. Usage: run.sh [PYTHON]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
python=$(command -v "${1:-python3}")
for tool in munged slurmctld slurmd sbatch; do
    PATH="$PATH:/usr/sbin" command -v "$tool" > /dev/null || { echo "no $tool here: nothing is tested"; exit 77; }
done
export PATH="$PATH:/usr/sbin" dir
dir=$(mktemp -d /tmp/one-node-slurm.XXXXXX)
chmod 755 "$dir"

stop() {
    local name
    scancel --full --signal=KILL --user="$(id -un)" 2> /dev/null || true  # a failed test must leave no cell behind
    for _ in $(seq 20); do
        [ -z "$(squeue --noheader --states=R,CG 2> /dev/null)" ] && break
        sleep 1
    done
    for name in slurmd slurmctld munged; do
        [ -s "$dir/$name.pid" ] && kill "$(cat "$dir/$name.pid")" 2> /dev/null
    done
    sleep 1
    for name in slurmd slurmctld munged; do
        [ -s "$dir/$name.pid" ] && kill -9 "$(cat "$dir/$name.pid")" 2> /dev/null
    done
    rm -rf "$dir"
}
trap stop EXIT

mkdir "$dir/state" "$dir/spool"
head -c 128 /dev/urandom > "$dir/munge.key" && chmod 400 "$dir/munge.key"
sed "s|@DIR@|$dir|; s|@CPUS@|$(nproc)|" "$here/slurm.conf.in" > "$dir/slurm.conf"
export SLURM_CONF="$dir/slurm.conf"
munged --force --key-file="$dir/munge.key" --socket="$dir/munge.socket" --pid-file="$dir/munged.pid" \
    --log-file="$dir/munged.log" --seed-file="$dir/munge.seed"
slurmctld -c
slurmd -N localhost
for _ in $(seq 50); do
    sinfo --noheader --format=%T 2> /dev/null | grep -q idle && break
    sleep 0.2
done
sinfo
"$python" "$here/scenario.py" "$dir"
