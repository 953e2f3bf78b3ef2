# Sourced by the scripts of this directory: what they all say and do alike. Needs `name` set to the
# script's own name, and bash with `set -euo pipefail`.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

say() { printf '%s: %s\n' "$name" "$*" >&2; }

# die SENTENCE...: what is wrong and what to do about it.
die() {
  printf '%s: error: %s\n' "$name" "$*" >&2
  exit 1
}

# quietly LOG COMMAND...: runs the command with its output in LOG; shows the end of it on failure.
quietly() {
  local log=$1
  shift
  mkdir -p "$(dirname "$log")"
  if ! "$@" >"$log" 2>&1; then
    tail -n 30 "$log" >&2
    die "'$*' failed; the whole output is in $log"
  fi
}

# install_packages PACKAGE...: installs the Debian packages that are missing.
install_packages() {
  local missing=() package
  for package in "$@"; do
    dpkg-query -W -f '${Status}\n' "$package" 2>/dev/null | grep -q '^install ok installed$' ||
      missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && return
  command -v apt-get >/dev/null ||
    die "these Debian 12 packages are needed, and there is no apt-get: ${missing[*]}"
  [ "$(id -u)" -eq 0 ] ||
    die "run as root, or first: sudo apt-get install --no-install-recommends ${missing[*]}"
  say "installing ${#missing[@]} Debian packages: ${missing[*]}"
  quietly "$root/build/logs/apt-update.log" apt-get update
  quietly "$root/build/logs/apt-install.log" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y --no-install-recommends "${missing[@]}"
}

# prepare_venv [VENV REQUIREMENTS]: makes the Python environment build/venv (or $ECF8_VENV), with what
# tools/python/requirements.txt pins, or another one; made again only when that file or the interpreter
# changed. Sets `venv_python`.
prepare_venv() {
  local venv=${1:-${ECF8_VENV:-$root/build/venv}} requirements=${2:-$root/tools/python/requirements.txt}
  local stamp=$venv/ecf8-requirements.sha256 wanted
  install_packages python3 python3-venv ca-certificates
  venv_python=$venv/bin/python
  wanted=$({ python3 --version && cat "$requirements"; } | sha256sum | cut -d' ' -f1)
  mkdir -p "$(dirname "$venv")"
  exec 9>"$venv.lock"
  flock 9 # two calls at once prepare the environment once
  if [ ! -x "$venv_python" ] || [ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ]; then
    say "preparing the Python environment in $venv"
    quietly "$root/build/logs/venv.log" python3 -m venv "$venv"
    quietly "$root/build/logs/pip.log" "$venv_python" -m pip install --disable-pip-version-check \
      --no-deps --requirement "$requirements"
    printf '%s\n' "$wanted" >"$stamp"
  fi
  exec 9>&-
}

# pypi_program VENV REQUIREMENTS PROGRAM: sets `program` to one of NVIDIA's packages, in the Python environment
# build/VENV of their own.
pypi_program() {
  local found
  prepare_venv "$root/build/$1" "$root/tools/python/$2"
  found=$(find "$root/build/$1" -path "*/nvidia/*/bin/$3" -print -quit)
  [ -x "$found" ] || die "$2 brought no $3 into build/$1"
  program=$found
}

# find_nvcc: sets `nvcc` to the CUDA compiler: the PATH's, if it is of the release that the kernel's budget was
# recorded with, else PyPI's.
find_nvcc() {
  nvcc=$(command -v nvcc || true)
  if [ -n "$nvcc" ] && "$nvcc" --version | grep -q 'release 13\.0'; then return; fi
  install_packages g++
  pypi_program venv-nvcc nvcc_requirements.txt nvcc
  nvcc=$program
  # Where a toolkit has its libraries, and nvcc looks for them.
  ln -sfn lib "$(dirname "$nvcc")/../lib64"
}

# prepare_clean_root: makes build/package/base.tar, a Debian 12 as debootstrap leaves it.
prepare_clean_root() {
  local base=$root/build/package/base
  [ -e "$base.tar" ] && return
  [ "$(id -u)" -eq 0 ] || die "a clean root is made by debootstrap, as root"
  install_packages debootstrap
  say "making a clean root"
  rm -rf "$base"
  mkdir -p "$base"
  quietly "$root/build/logs/debootstrap.log" debootstrap --variant=minbase bookworm "$base"
  tar -cf "$base.partial.tar" -C "$base" .
  mv "$base.partial.tar" "$base.tar"
  rm -rf "$base"
}

# prepare_arm64_sysroot: unpacks the arm64 packages that decoder/ and its tests need into build/aarch64-sysroot.
# apt works in a folder of its own: the host's architectures and packages stay as they are.
prepare_arm64_sysroot() {
  local sysroot=$root/build/aarch64-sysroot apt=$root/build/aarch64-apt deb
  [ -e "$sysroot/complete" ] && return
  command -v apt-get >/dev/null || die "the arm64 packages come from Debian's archive, and there is no apt-get"
  say "fetching the arm64 packages into $sysroot"
  rm -rf "$sysroot" "$apt"
  mkdir -p "$sysroot" "$apt"/lists/partial "$apt"/cache/archives/partial "$apt"/debs
  : >"$apt/status"
  local options=(-o APT::Architecture=arm64 -o APT::Architectures=arm64 -o "Dir::State=$apt"
    -o "Dir::State::status=$apt/status" -o "Dir::State::lists=$apt/lists" -o "Dir::Cache=$apt/cache"
    -o APT::Sandbox::User=)
  quietly "$root/build/logs/apt-arm64-update.log" apt-get "${options[@]}" update
  (cd "$apt/debs" && quietly "$root/build/logs/apt-arm64-download.log" apt-get "${options[@]}" download \
    libabsl-dev libabsl20220623 libxxhash-dev libxxhash0 libgtest-dev libgmock-dev)
  for deb in "$apt"/debs/*.deb; do dpkg-deb --extract "$deb" "$sysroot"; done
  touch "$sysroot/complete"
}
