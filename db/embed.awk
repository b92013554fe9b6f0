# Turns migrations and named statements into C: `-v what=header` writes the enum, `-v what=source` the texts.
# A statement begins with a line `-- name: some_name` and ends before the next one; a migration is a whole file. Those of
# migrations/ are lodge.db's, those of history/ are samples.db's.
function base(path) { sub(/.*\//, "", path); sub(/\.sql$/, "", path); return path }
function quote(line) { gsub(/\\/, "\\\\", line); gsub(/"/, "\\\"", line); return "    \"" line "\\n\"" }
BEGIN { n = 0; m = 0; h = 0 }
FNR == 1 {
    migration = FILENAME ~ /(migrations|history)\//
    cur = ""
    if (FILENAME ~ /migrations\//) { mig[++m] = base(FILENAME); cur = "m" m }
    if (FILENAME ~ /history\//) { his[++h] = base(FILENAME); cur = "h" h }
}
!migration && /^-- name: / { name[++n] = $3; file[n] = base(FILENAME); if ($3 in seen) { print "duplicate statement " $3 > "/dev/stderr"; exit 1 } seen[$3] = 1; cur = "q" n; next }
cur == "" || /^[ \t]*$/ || (!migration && /^--/) { next }
{ text[cur] = text[cur] quote($0) "\n" }
END {
    print "/* Generated from db/ by db/embed.awk. */"
    list_of = "const char *const lg_%s_text[%s], *const lg_%s_name[%s];\n"
    if (what == "header") {
        print "#ifndef LG_GEN_QUERIES_H\n#define LG_GEN_QUERIES_H\nenum lg_query {"
        for (i = 1; i <= n; i++) print "    Q_" toupper(name[i]) ","
        print "    LG_QUERIES\n};\nenum { LG_MIGRATIONS = " m ", LG_HISTORY_MIGRATIONS = " h " };"
        printf "extern " list_of, "query", "LG_QUERIES", "query", "LG_QUERIES"
        printf "extern " list_of, "migration", "LG_MIGRATIONS", "migration", "LG_MIGRATIONS"
        printf "extern " list_of, "history", "LG_HISTORY_MIGRATIONS", "history", "LG_HISTORY_MIGRATIONS"
        print "#endif"
    } else {
        print "#include \"queries.h\""
        print "const char *const lg_query_text[LG_QUERIES] = {"
        for (i = 1; i <= n; i++) print "[Q_" toupper(name[i]) "] =\n" text["q" i] ","
        print "};\nconst char *const lg_query_name[LG_QUERIES] = {"
        for (i = 1; i <= n; i++) print "    \"" file[i] "." name[i] "\","
        print "};\nconst char *const lg_migration_text[LG_MIGRATIONS] = {"
        for (i = 1; i <= m; i++) print text["m" i] ","
        print "};\nconst char *const lg_migration_name[LG_MIGRATIONS] = {"
        for (i = 1; i <= m; i++) print "    \"" mig[i] "\","
        print "};\nconst char *const lg_history_text[LG_HISTORY_MIGRATIONS] = {"
        for (i = 1; i <= h; i++) print text["h" i] ","
        print "};\nconst char *const lg_history_name[LG_HISTORY_MIGRATIONS] = {"
        for (i = 1; i <= h; i++) print "    \"" his[i] "\","
        print "};"
    }
}
