#!/bin/sh
# link_archives.sh COMMAND...: a link command, with the archive of every shared library that has one beside it.
# Not of the C library: without its dynamic loader a program could not load a driver.
for argument; do
  shift
  case $argument in
    /*.so | /*.so.[0-9]*) [ -e "${argument%.so*}.a" ] && argument=${argument%.so*}.a ;;
  esac
  set -- "$@" "$argument"
done
exec "$@" -static-libstdc++ -static-libgcc -Wl,--as-needed -Wl,--gc-sections
