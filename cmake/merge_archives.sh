#!/bin/sh
# merge_archives.sh LD OBJCOPY AR ARCHIVE LINKED...: one archive, of one object: what LINKED says to link, of libraries
# what is needed. What is hidden becomes the object's own, so that it can neither be used nor be in anybody's way.
set -e
ld=$1 objcopy=$2 ar=$3 archive=$4
shift 4
object=${archive%.a}.o
# Sections of a group would be left out where the program has the group, too, with what else refers to them.
"$ld" -r --force-group-allocation -o "$object" "$@"
"$objcopy" --localize-hidden "$object"
rm -f "$archive"
"$ar" rcs "$archive" "$object"
rm -f "$object"
