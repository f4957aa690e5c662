#!/usr/bin/env bash
# The layer rule of ARCHITECTURE.md: a folder includes only itself and what stands before it.
set -u
cd "${TRAWL_ROOT:-$(dirname "$0")/../..}"
declare -A may=(
  [base]="" [config]="base" [net]="base" [job]="base" [packet]="base"
  [capture]="base packet" [ring]="base packet" [flow]="base packet"
  [dissect]="base packet flow" [filter]="base dissect" [entries]="base job packet dissect filter"
  [snapshot]="base packet ring flow dissect filter entries job"
  [identity]="base net entries"
  [api]="base net config job packet dissect filter entries snapshot identity"
  [worker]="base net config job packet capture ring"
  [hub]="base net config job packet ring dissect filter entries snapshot identity api worker"
  [cli]="base net config job packet capture ring flow dissect filter entries snapshot identity api worker hub"
)
bad=0 count=0
while IFS=: read -r file line included; do
  folder=${file#src/} folder=${folder%%/*}
  target=${included%%/*}
  count=$((count + 1))
  allowed=" $folder ${may[$folder]-} "
  case $file in src/dissect/proto/*)
    case $included in base/* | dissect/dissector.h | dissect/proto/*) ;; *) allowed=" " ;; esac ;; esac
  case "$allowed" in *" $target "*) ;; *) [ "$included" = dissect/dissector.h ] && [ "$folder" = dissect ] && continue
    echo "$file:$line includes $included: the layer rule does not allow it"; bad=1 ;; esac
done < <(grep -rnE '^#include "[a-z0-9_]+/' src | sed -E 's/^([^:]+):([0-9]+):#include "([^"]+)".*/\1:\2:\3/')
[ $count -gt 50 ] || { echo "only $count includes found: the test looks in the wrong place"; exit 1; }
echo "$count includes checked"
exit $bad
