#!/usr/bin/env bash
# Functions that have no place here: each with what to use instead.
set -u
cd "${TRAWL_ROOT:-$(dirname "$0")/../..}"
banned='strcpy|strcat|strncat|sprintf|vsprintf|gets|strtok|atoi|atol|atoll|atof|system|popen|mktemp|tmpnam|tempnam|alloca|rand|srand|asctime|ctime|gmtime|localtime|signal|setjmp|vfork'
found=$(grep -rnE "(^|[^A-Za-z0-9_.>])($banned)[[:space:]]*\(" src tests --include='*.c' --include='*.h' --include='*.cc' | grep -vE '^[^:]+:[0-9]+:[[:space:]]*(\*|//|/\*)' || true)
marks=$(git grep -nE 'TODO|FIXME|XXX|HACK' -- src web/src deploy | grep -v 'mkstemp\|XXXXXX' || true)
# A wait by the wall clock lasts as long as that was set back.
found+=$(grep -rnE 'CLOCK_REALTIME|pthread_cond_timedwait' src --include='*.c' --include='*.h' | grep -v '^src/base/clock\.c:' || true)
# strchr() of a set takes the NUL for a member.
found+=$(grep -rnE 'strchr\("' src --include='*.c' --include='*.h' --include='*.cc' || true)
[ -z "$found$marks" ] && { echo "none of the banned functions, no unfinished marks"; exit 0; }
[ -n "$found" ] && printf 'banned (use snprintf, buf_printf, text_parse_int, posix_spawn, mkstemp, getrandom, gmtime_r, sigaction, clock_wait, byte_is_in):\n%s\n' "$found"
[ -n "$marks" ] && printf 'unfinished marks:\n%s\n' "$marks"
exit 1
