# Sourced by ./run and ./test: installs what is missing on a Debian 12 machine and builds the dashboard.
# Needs root (or sudo) only when a package is missing.

build_packages="gcc g++ cmake ninja-build pkg-config libc6-dev libpcap-dev libmicrohttpd-dev libcurl4-openssl-dev
  libjansson-dev libzstd-dev zlib1g-dev libbrotli-dev liblz4-dev libssl-dev libre2-dev libseccomp-dev libcap-dev
  libarchive-dev libyaml-dev libcmocka-dev libnghttp2-dev nodejs npm"
test_packages="postgresql-15 postgresql-client-15 python3-psycopg2 mariadb-server mariadb-client python3-pymysql python3-mysqldb libdbd-mariadb-perl
  memcached python3-memcache python3-pylibmc clang-14 libclang-rt-14-dev clang-format-14 tshark tcpdump nginx-light wrk redis-server redis-tools
  dnsmasq-base bind9-dnsutils iproute2 iputils-ping ethtool curl jq python3 chromium openssl procps util-linux
  xz-utils zstd lz4 libcap2-bin valgrind rabbitmq-server python3-pika python3-stomp nghttp2-client nghttp2-server
  nghttp2-proxy python3-grpcio python3-protobuf
  mosquitto mosquitto-clients python3-paho-mqtt nats-server freeradius freeradius-utils python3-aiosmtpd msmtp
  slapd ldap-utils python3-ldap3 libsasl2-modules freediameterd freediameter-extensions nftables"

say() { printf '\033[1m%s\033[0m\n' "$*" >&2; }
die() { printf '%s\n' "$*" >&2; exit 1; }

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; elif command -v sudo >/dev/null; then sudo "$@"; else die "root is needed once for: $*"; fi; }

# Whether a package (or another one that gives the same command) is there.
is_installed() {
  dpkg-query -W -f='${Status}' "$1" 2>/dev/null | grep -q 'ok installed' && return 0
  case "$1" in
    npm | nodejs) command -v "${1%js}" >/dev/null || command -v "$1" >/dev/null ;;
    nginx-light) command -v nginx >/dev/null || [ -x /usr/sbin/nginx ] ;;
    clang-format-14) command -v clang-format-14 >/dev/null ;;
    *) return 1 ;;
  esac
}

install_packages() {
  local missing="" package
  for package in "$@"; do is_installed "$package" || missing="$missing $package"; done
  [ -z "$missing" ] && return 0
  say "installing:$missing"
  as_root apt-get -o DPkg::Lock::Timeout=300 update -qq
  # No service is to start by itself because it was installed for a test.
  as_root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends $missing >/dev/null
}

# One line of npm-files.lock: fetched once, refused when the hash differs.
fetch_npm_file() { # root, package name, version, hash, file inside, path below third_party
  local target=$1/third_party/$6 name=$2 version=$3 hash=$4 inside=$5 work tarball
  [ -s "$target" ] && [ "$(cat "$target.version" 2>/dev/null)" = "$version $hash" ] && return 0
  say "fetching $name $version"
  mkdir -p "$(dirname "$target")"
  work=$(mktemp -d)
  tarball=$work/$(cd "$work" && npm pack --silent "$name@$version" 2>/dev/null | tail -n 1)
  [ -f "$tarball" ] || { rm -rf "$work"; die "npm could not fetch $name@$version: is the npm registry reachable?"; }
  [ "$(openssl dgst -sha512 -binary "$tarball" | base64 -w0)" = "$hash" ] || { rm -rf "$work"; die "$name@$version is not the file that deploy/dev/npm-files.lock names: refusing it"; }
  tar -xzf "$tarball" -C "$work" "$inside"
  mv "$work/$inside" "$target"
  echo "$version $hash" > "$target.version"
  rm -rf "$work"
}

fetch_duckdb() {
  local root=$1 name version hash inside file
  while read -r name version hash inside file; do
    case "$file" in duckdb/*) fetch_npm_file "$root" "$name" "$version" "$hash" "$inside" "$file" ;; esac
  done < "$root/deploy/dev/npm-files.lock"
}

# Debian 12's own Node.js is 18; the dashboard's build and the browser test want 20.19 or newer. npm runs with either.
use_node() {
  local root=$1 name version hash inside file
  node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)' 2>/dev/null && return 0
  while read -r name version hash inside file; do
    case "$file" in node/*) fetch_npm_file "$root" "$name" "$version" "$hash" "$inside" "$file" ;; esac
  done < "$root/deploy/dev/npm-files.lock"
  chmod +x "$root/third_party/node/node"
  export PATH="$root/third_party/node:$PATH"
}

# web/dist from web/, again only when a source is newer.
build_web() {
  local root=$1
  [ -f "$root/web/package.json" ] || return 0
  if [ ! -f "$root/web/dist/index.html" ] || [ -n "$(find "$root/web" -path "$root/web/node_modules" -prune -o -path "$root/web/dist" -prune -o -type f -newer "$root/web/dist/index.html" -print -quit)" ]; then
    say "building the dashboard"
    (cd "$root/web" && { [ -d node_modules ] && [ ! package-lock.json -nt node_modules ] || npm ci --silent --no-audit --no-fund >/dev/null; } && npm run --silent build >/dev/null) || die "the dashboard did not build: see (cd web && npm ci && npm run build)"
    touch "$root/web/dist/index.html"
  fi
}

# configure and build one preset
build_preset() {
  local root=$1 preset=$2
  shift 2
  say "building preset $preset"
  # Where ccache is installed, clones of one machine share what they built.
  export CCACHE_BASEDIR="$root" CCACHE_NOHASHDIR=1
  (cd "$root" && cmake --preset "$preset" >"$root/build/$preset.configure.log" 2>&1 || { tail -n 20 "$root/build/$preset.configure.log" >&2; exit 1; }
   cmake --build --preset "$preset" -j "$(nproc)" "$@" >"$root/build/$preset.log" 2>&1 || { grep -E 'error|FAILED|undefined' "$root/build/$preset.log" | head -n 40 >&2; exit 1; }) || die "preset $preset did not build: build/$preset.log"
}
