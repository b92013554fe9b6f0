# Bash that keeps its state: see python.py for what comes on descriptor 3.
__lodge_next() {
    local name count i
    IFS= read -r -d '' -u 3 name && IFS= read -r -d '' -u 3 count || exit 0
    set --
    for ((i = 0; i < count; i++)); do
        IFS= read -r -d '' -u 3 i_word && set -- "$@" "$i_word"
    done
    __lodge_args=("$@")
    __lodge_file=$name
}
# SIGINT ends the snippet, which is the file that we source, and not us: it returns from what runs, and so does each command
# after it until nothing of the snippet is left.
__lodge_unwind() {
    ((${#BASH_SOURCE[@]} > 2)) && return 2
    trap - DEBUG
    shopt -u extdebug
    set +T
}
trap '[[ ${BASH_SOURCE[*]: -2:1} != "$__lodge_file" ]] || { set -T; shopt -s extdebug; trap __lodge_unwind DEBUG; return 130; }' INT
while :; do
    __lodge_next
    set -- "${__lodge_args[@]}"
    if source "$__lodge_file" 3>&-; then printf '0\n' >&3; else printf '1\n' >&3; fi
done
