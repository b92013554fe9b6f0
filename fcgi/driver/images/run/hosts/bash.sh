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
while :; do
    __lodge_next
    set -- "${__lodge_args[@]}"
    if source "$__lodge_file" 3>&-; then printf '0\n' >&3; else printf '1\n' >&3; fi
done
