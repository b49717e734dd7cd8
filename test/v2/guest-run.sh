#!/bin/sh
# First process of the machine's tests: those of files.txt, then systemd takes its place for those of systemd.txt. What they print
# and their exit codes are left in /run/result.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp CI=true
export SLIPWAY_STORM=0.03 SLIPWAY_LIFE_HISTORIES=60
cd "$SLIPWAY_REPO" || echo 'no project' >/run/result/output

case ,$SLIPWAY_PHASES, in *,files,*)
  # In the root cgroup nothing can be limited; a service manager would not leave us there either.
  mkdir /sys/fs/cgroup/tests
  echo $$ >/sys/fs/cgroup/tests/cgroup.procs
  sh test/v2/guest-tests.sh files
  echo $$ >/sys/fs/cgroup/cgroup.procs
  ;;
esac
case ,$SLIPWAY_PHASES, in *,systemd,*) ;; *) exec sh test/v2/guest-end.sh ;; esac

# Only these units, none of the machine whose files these are.
units=/run/systemd/system
mkdir -p $units
cat >$units/slipway-tests.target <<END
[Unit]
DefaultDependencies=no
Requires=dbus.socket dbus.service slipway-tests.service
END
cat >$units/dbus.socket <<END
[Unit]
DefaultDependencies=no
[Socket]
ListenStream=/run/dbus/system_bus_socket
END
cat >$units/dbus.service <<END
[Unit]
DefaultDependencies=no
Requires=dbus.socket
[Service]
Type=notify
ExecStart=/usr/bin/dbus-daemon --system --address=systemd: --nofork --nopidfile --syslog-only
END
cat >$units/slipway-tests.service <<END
[Unit]
DefaultDependencies=no
After=dbus.service
[Service]
Environment=PATH=$PATH HOME=/tmp CI=true SLIPWAY_NODE=$SLIPWAY_NODE SLIPWAY_WORDS=$SLIPWAY_WORDS
WorkingDirectory=$SLIPWAY_REPO
ExecStart=/bin/sh test/v2/guest-tests.sh systemd
ExecStopPost=/bin/sh test/v2/guest-end.sh
END
# Should it never get there.
setsid sh -c "sleep 420; exec sh test/v2/guest-end.sh" &
exec /lib/systemd/systemd --unit=slipway-tests.target --log-target=console --show-status=no
