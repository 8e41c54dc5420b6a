"""The `polyloom` command: a table of subcommands and of benchmarks that any package can add to."""
