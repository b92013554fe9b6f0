"""Commands that several tests run in instances."""
# Lives until TERM and then ends at once.
FOREVER = ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 1 & wait $!; done"]
