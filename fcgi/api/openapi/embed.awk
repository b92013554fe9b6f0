# Turns JSON files into C texts: components.json becomes lg_openapi_components.
function base(path) { sub(/.*\//, "", path); sub(/\.json$/, "", path); return path }
BEGIN { print "/* Generated from fcgi/api/openapi/ by its embed.awk. */\n#include \"api/openapi/openapi.h\"" }
FNR == 1 { if (NR > 1) print ";"; print "const char lg_openapi_" base(FILENAME) "[] =" }
{ gsub(/^[ \t]+/, ""); gsub(/\\/, "\\\\"); gsub(/"/, "\\\""); print "    \"" $0 "\\n\"" }
END { print ";" }
