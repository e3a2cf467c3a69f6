# Runs steps by name, in the order in which they were declared. Sourced by .ci/run and .ci/full.
#
#   step NAME "what it checks" "what it needs"   declares a step; the function run_NAME carries it out
#   main "$@"                                    runs the steps named, or all of them
#
# What a step needs is installed once, by the function need_NAME, before the step starts.
# shellcheck shell=bash

export DEBIAN_FRONTEND=noninteractive CARGO_INCREMENTAL=0 CARGO_TERM_COLOR=never
# Line tables are enough for a backtrace, and halve the size of target/.
export CARGO_PROFILE_DEV_DEBUG=line-tables-only CARGO_PROFILE_TEST_DEBUG=line-tables-only
# A missing program is a failure here; elsewhere the checks that need it are skipped and say so.
export CI=true
# A failure can be reproduced; on other machines each run draws other cases.
export PROPTEST_RNG_SEED=20260711
# Where Go's own archive installs it.
export PATH="$PATH:/usr/local/go/bin:$HOME/.cargo/bin"

# The one release build: static, so that the same file runs here, in the image and in a pod.
host=$(uname -m)-unknown-linux-gnu
nines=target/$host/release/nines

# Each check that repeats a disturbed measurement appends a line here (a failure is never repeated).
export NINES_REPEATS=$PWD/target/repeats
most_repeats=6

declare -a steps=() chosen=() report=()
declare -A about=() needs=() ready=() job=()

step() { steps+=("$1") about[$1]=$2 needs[$1]=${3:-}; }

usage() {
  printf 'usage: %s [STEP…]\nRuns these steps, or all of them in this order:\n' "$0"
  for name in "${steps[@]}"; do printf '  %-9s %s (needs %s)\n' "$name" "${about[$name]}" "${needs[$name]:-nothing}"; done
}

as_root() { if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi; }

# Installs Debian packages; one call for all that are missing would save little.
debian() {
  # A machine that has just started may be busy with packages of its own.
  local apt=(apt-get -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3)
  [ -n "${apt_updated:-}" ] || as_root "${apt[@]}" update
  apt_updated=yes
  as_root "${apt[@]}" install -y --no-install-recommends "$@"
}

need_rust() {
  command -v cc >/dev/null || debian build-essential
  command -v git >/dev/null || debian git
  if ! command -v cargo >/dev/null; then
    command -v curl >/dev/null || debian curl ca-certificates
    curl --retry 5 --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y --profile minimal
  fi
  cargo fmt --version >/dev/null 2>&1 || rustup component add rustfmt
  cargo clippy --version >/dev/null 2>&1 || rustup component add clippy
}
need_python() {
  command -v python3 >/dev/null || debian python3
  python3 -c 'import ensurepip' 2>/dev/null || debian python3-venv
}
need_postgresql() { compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || debian postgresql; }
need_faketime() { compgen -G '/usr/lib/*/faketime/libfaketimeMT.so.1' >/dev/null || debian libfaketime; }
need_chromium() { command -v chromium >/dev/null || debian chromium; }
need_namespaces() {
  command -v ip >/dev/null || debian iproute2
  command -v pkill >/dev/null || debian procps
}
# A property-based tester of APIs, in a folder of its own.
need_schemathesis() {
  schemathesis=target/schemathesis/bin/schemathesis
  [ -x "$schemathesis" ] && return
  python3 -m venv target/schemathesis
  target/schemathesis/bin/pip install --quiet "schemathesis==4.32.5"
}
need_jaeger() { finish jaeger deploy/tools --require jaeger; }
need_prometheus() { deploy/tools --require prometheus; }
need_typescript() { deploy/tools --require typescript; }
need_kubernetes() { deploy/tools --require kubernetes; }
need_podman() { deploy/tools --require podman; }
need_docker() { deploy/tools --require docker; }
need_sbom() { deploy/tools --require sbom; }
need_nines() { finish nines build_nines; }

build_nines() {
  # Naming the target keeps the flag away from build scripts and macros, which can't be linked statically.
  # Packed relocations save half a megabyte.
  RUSTFLAGS="-C target-feature=+crt-static -C link-arg=-Wl,-z,pack-relative-relocs" CARGO_PROFILE_RELEASE_STRIP=symbols \
    cargo build --release --locked --package cli --target "$host"
}

# Starts a command in the background, in a process group of its own, so that all of it can be ended.
beside() {
  local name=$1
  shift
  set -m
  "$@" >"target/$name.log" 2>&1 &
  set +m
  job[$name]=$!
}

# Waits for the command that `beside` started by this name, and shows what it printed; if there is none, runs it now.
finish() {
  local name=$1 code=0
  shift
  if [ -z "${job[$name]:-}" ]; then
    "$@"
    return
  fi
  wait "${job[$name]}" || code=$?
  unset "job[$name]"
  cat "target/$name.log"
  return "$code"
}

# Whether a step is among those to run.
runs() { [[ " ${chosen[*]} " == *" $1 "* ]]; }

# Carries out one step, after what it needs is there, and notes how long both took.
carry_out() {
  local name=$1 start=$SECONDS need
  printf '\n=== %s: %s (%s s)\n' "$name" "${about[$name]}" "$SECONDS"
  current=$name since=$start
  for need in ${needs[$name]}; do
    [ -n "${ready[$need]:-}" ] || "need_$need"
    ready[$need]=yes
  done
  local prepared=$((SECONDS - start))
  "run_$name"
  report+=("$(printf '%-9s %5s s  (%s s of it to install or build)' "$name" $((SECONDS - start)) "$prepared")")
  current=
}

# Ends what is still running, and prints how long each step took; also after a failure.
conclude() {
  local code=$? group
  for group in "${job[@]}"; do kill -- "-$group" 2>/dev/null || true; done
  rm -rf "$out"
  [ -z "${current:-}" ] || report+=("$(printf '%-9s %5s s  FAILED' "$current" $((SECONDS - since)))")
  printf '\n=== time of each step\n'
  printf '%s\n' "${report[@]}" "$(printf '%-9s %5s s' all $SECONDS)"
  exit "$code"
}

# Measurements that were disturbed and repeated: shown, and bounded, so that a frequent one can't stay green.
count_repeats() {
  local count
  count=$(wc -l <"$NINES_REPEATS")
  printf '\n=== repeated because this host was disturbed: %s of at most %s\n' "$count" "$most_repeats"
  cat "$NINES_REPEATS"
  [ "$count" -le "$most_repeats" ]
}

main() {
  case ${1:-} in --help | -h | --list) usage && exit ;; esac
  local name
  for name in "$@"; do
    [ -n "${about[$name]:-}" ] || { echo "unknown step $name: expected one of ${steps[*]}" >&2 && exit 2; }
  done
  chosen=("${@:-${steps[@]}}")
  if [ $# -eq 0 ]; then chosen=("${steps[@]}"); fi
  mkdir -p target
  out=$(mktemp -d)
  : >"$NINES_REPEATS"
  trap conclude EXIT
  trap 'exit 130' INT TERM
  if [ "$(type -t before_all)" = function ]; then before_all; fi
  for name in "${steps[@]}"; do if runs "$name"; then carry_out "$name"; fi; done
  count_repeats
}
