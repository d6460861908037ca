#!/bin/sh
# Shows that the scheduler's tests can fail: each seeded bug (a feature of this
# package that spoils one step of one protocol) must make its named test fail,
# and without it the same test must pass.
#
#   kernel/sched/tests/seeded-bugs.sh [BUG...]     all, or only these
#
# loom: a model under the model checker; host: threads or a single step.
set -eu
cd "$(dirname "$0")/../../.."

# feature                   how   test
table='
bug_relaxed_tail            loom  loom_runq::push_take_steal
bug_early_publish           loom  loom_runq::two_thieves
bug_steal_by_store          loom  loom_runq::push_take_steal
bug_runnext_by_store        loom  loom_runq::runnext_once
bug_no_final_recheck        loom  loom_idle::submit_against_last_spinner
bug_no_store_load_fence     loom  loom_idle::submit_against_last_spinner
bug_no_wake                 loom  loom_idle::submit_against_last_spinner
bug_claim_outlives_lock     loom  loom_idle::futile_wakep_against_submit
bug_halt_blindly            loom  loom_idle::halt_against_two_wakers
bug_event_tells_nobody      loom  loom_idle::event_against_idling
bug_deadlock_unlocked       loom  loom_idle::deadlock_check_against_event
bug_commit_first            loom  loom_park::park_against_ready
bug_mark_by_load            loom  loom_poll::second_event_merges
bug_queued_cleared_late     loom  loom_poll::fire_against_unlink
bug_keeper_oversleeps       loom  loom_timer::keeper_against_fired_timer
bug_keeper_leaves_blindly   loom  loom_timer::keeper_leaves_against_timer
bug_adder_tells_nobody      loom  loom_timer::keeper_against_earlier_timer
'

out=$(mktemp)
trap 'rm -f "$out"' EXIT INT TERM
flags='-Cno-redzone=yes -Cforce-frame-pointers=yes'
# Host programs all: no runner that would look for kernels.
export CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER=env

# run HOW TEST [cargo arguments]: the test alone, its output in $out.
run() {
    how=$1 test=$2
    shift 2
    case $how in
    loom) RUSTFLAGS="--cfg loom $flags" ;;
    host) RUSTFLAGS=$flags ;;
    esac
    # The models are small: unoptimised linking is worth more than fast code.
    RUSTFLAGS=$RUSTFLAGS CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=4 \
        timeout 300 cargo test -q -p gopark-sched --release --lib "$@" -- --exact "tests::$test" >"$out" 2>&1
}

failed=0
complain() {
    echo "seeded-bugs: $1" >&2
    tail -n 20 "$out" >&2
    failed=1
}

for bug in $(sed -n 's/^\(bug_[a-z_]*\) *=.*/\1/p' kernel/sched/Cargo.toml); do
    echo "$table" | grep -q "^$bug " || { : >"$out"; complain "$bug has no test"; }
done

# First the honest code, all tests of one kind at a time (one build each).
echo "$table" | while read -r bug how test; do [ -z "$bug" ] || echo "$how $test"; done | sort -u >"$out.list"
trap 'rm -f "$out" "$out.list"' EXIT INT TERM
while read -r how test; do
    run "$how" "$test" || complain "$test fails without any bug"
    grep -q '1 passed' "$out" || complain "$test does not exist"
done <"$out.list"

echo "$table" >"$out.list"
while read -r bug how test; do
    [ -n "$bug" ] || continue
    [ $# -eq 0 ] || case " $* " in *" $bug "*) ;; *) continue ;; esac
    if run "$how" "$test" --features "$bug"; then
        complain "$bug: $test does not notice it"
    elif grep -q '1 failed\|SIGABRT\|SIGSEGV' "$out"; then
        echo "ok: $bug is found by $test"
    else
        complain "$bug: $test failed, but not as a test"
    fi
done <"$out.list"
exit $failed
