# The Debian 13 root of ./dev, for distributions without GIMP 3: made once by debootstrap, and entered in mount and process
# namespaces of its own, so that nothing stays mounted or running. Sourced by ./dev; uses its step, explain_sudo and paths.

# Of the host's own sources the mirror (field 1) of its release, or of its security updates.
host_mirror ()
{
  [ "$(. /etc/os-release; echo "$ID")" = debian ] || return 0
  apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT) $(ORIGIN)' 'Created-By: Packages' 2>/dev/null |
    awk -v security="$1" '$3 == "main" && ($4 == "Debian" || $4 == "") && ($2 ~ /-security$/) == security &&
                          (security || $2 !~ /-/) { print $1; exit }'
}

# The root is made under another name and renamed when it is whole.
make_root ()
{
  local half=$root.half mirror security settings tools
  say "This distribution has no GIMP 3. A Debian 13 root with GIMP 3 will be made in $root (about 2 GB; ./dev uninstall"
  say "removes it). Your system stays as it is, but for the package debootstrap."
  explain_sudo "Making and entering that root"
  tools=$(apt_missing debootstrap debian-archive-keyring)
  if [ -n "$tools" ]; then
    update_lists
    step "Installing $tools" apt-tools.log $sudo apt-get install -y --no-install-recommends $tools
  fi
  mirror=$(host_mirror 0)
  security=$(host_mirror 1)
  settings=$(apt-config dump | grep -E '^Acquire::(https?|ftp|socks|Check-Valid-Until|Check-Date|Retries|ForceIPv)' |
             grep -v -i -E 'auto-?detect' || true)
  $sudo rm -rf --one-file-system "$half"
  mkdir -p "$cache"
  step "Making a Debian 13 base; usually half a minute to two" debootstrap.log $sudo env PATH="$PATH:/usr/sbin:/sbin" \
    debootstrap --variant=minbase --keyring=/usr/share/keyrings/debian-archive-keyring.gpg \
    --include=ca-certificates "$suite" "$half" $mirror
  $sudo bash -c '
    cd "$1"; printf "%s\n" "$4" >etc/apt/apt.conf.d/90host
    mirror=$(awk "/^deb / { print \$2; exit }" etc/apt/sources.list)
    printf "deb %s %s main\n" "$mirror" "$2" "$mirror" "$2-updates" ${3:+"$3" "$2-security"} >etc/apt/sources.list
    cp -r /usr/local/share/ca-certificates usr/local/share/ 2>/dev/null
    cat /etc/ssl/certs/ca-certificates.crt >etc/ssl/certs/ca-certificates.crt 2>/dev/null || true
  ' prepare "$half" "$suite" "$security" "$settings"
  $sudo mv "$half" "$root"
}

# What happens in the namespaces, as root. Folders of the host that are not the system's keep their path inside, so that
# the checkout, the home folder and X sockets are where they were; process 1 is a shell that waits, because signals
# whose action is the default do not reach a process 1.
inside='
root=$1 user=$2 directory=$3 environment=$4 extra=$5; shift 5
mount -t proc proc "$root/proc" && mount --rbind /sys "$root/sys" && mount --rbind /dev "$root/dev" ||
  { echo "dev: this machine does not let root mount; a container needs CAP_SYS_ADMIN for it." >&2; exit 125; }
attach () { mkdir -p "$root$1" && mount --rbind "$1" "$root$1"; }
for place in /*; do
  case $place in
    /bin|/boot|/dev|/etc|/lib*|/lost+found|/proc|/run|/sbin|/sys|/usr|/var) ;;
    *) [ -d "$place" ] && [ ! -L "$place" ] && attach "$place" ;;
  esac
done
IFS=:
for place in $extra; do
  case $place in
    /var/?*|/usr/?*|/run/?*) [ -d "$place" ] && attach "$place" ;;
  esac
done
unset IFS
for file in /etc/passwd /etc/group /etc/hosts /etc/resolv.conf; do
  [ -e "$file" ] && { [ "$user" != 0:0 ] || case $file in /etc/passwd|/etc/group) false ;; esac; } &&
    { [ -e "$root$file" ] || : >"$root$file"; } && mount --bind "$(readlink -f "$file")" "$root$file"
done
chroot --userspec="$user" ${GROUPS_KEPT:+--groups="$GROUPS_KEPT"} "$root" /bin/bash -c "
  [ -z \"\$1\" ] || { . \"\$1\"; rm -f \"\$1\"; }
  unset LD_PRELOAD LD_LIBRARY_PATH PYTHONHOME PYTHONPATH
  export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 LC_ALL=C.UTF-8
  cd \"\$2\" && shift 2 && \"\$@\"" bash "$environment" "$directory" "$@"
exit $?
'

# enter USER COMMAND...: in the root, as USER (uid:gid), same working directory. The namespaces end when this script does,
# however it ends: by parentage (which sudo would forget), or because the way in takes the script's place (for_good=1).
enter ()
{
  local user=$1 environment= extra outer=$sudo
  shift
  extra="$checkout:$HOME:$PWD:/var/tmp:${XDG_RUNTIME_DIR:-}:${XAUTHORITY:+$(dirname "$XAUTHORITY")}:${bind:-}"
  if [ -n "$sudo" ]; then
    explain_sudo "Entering the Debian 13 root"
    environment=$(umask 077; mktemp)
    export -p | grep -v -E '^declare -[a-z]*r' >"$environment"
    [ "$user" != 0:0 ] || environment=
  fi
  [ -n "$outer" ] || outer="setpriv --pdeathsig TERM"
  [ -z "${for_good:-}" ] || outer="exec $sudo"
  $outer env GROUPS_KEPT="$(id -G | tr ' ' ,)" /bin/bash -c '
    trap : INT
    PATH=$PATH:/usr/sbin:/sbin setpriv --pdeathsig KILL \
      unshare --mount --pid --fork --kill-child --propagation private /bin/bash -c "$@"
    exit $?' enter "$inside" inside "$root" "$user" "$PWD" "$environment" "$extra" "$@"
}

root_packages ()
{
  local stamp
  stamp=$(printf '%s\n' $* | sort -u | sha256sum)
  [ "$(cat "$root/.packages-$kind" 2>/dev/null)" != "$stamp" ] || return 0
  step "Installing GIMP 3 and the compiler in that root; usually one to three minutes the first time" "root-$kind.log" \
    enter 0:0 /bin/bash -c 'export DEBIAN_FRONTEND=noninteractive; apt-get update &&
      apt-get install -y --no-install-recommends "$@" && apt-get clean' install "$@"
  printf '%s\n' "$stamp" | $sudo tee "$root/.packages-$kind" >/dev/null
}
