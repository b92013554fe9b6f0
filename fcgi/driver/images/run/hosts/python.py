"""Python, started ahead of time: reads from descriptor 3 what to run (words that end with NUL: file, number of
arguments, arguments). Alone: runs it as __main__ and ends. With the argument "session": goes on with the next, in the
same names, and says 0 or 1 and a line end when each is done."""
import sys


def words(fd):
    import os
    buf = b""
    while True:
        parts = buf.split(b"\0")
        if len(parts) >= 3 and len(parts) - 1 >= 2 + int(parts[1]):
            return [p.decode("utf-8", "surrogateescape") for p in [parts[0]] + parts[2:2 + int(parts[1])]]
        more = os.read(fd, 65536)
        if not more:
            sys.exit(0)
        buf += more


def show(kind, value, trace):
    """As the interpreter itself does, without our own frames."""
    import traceback
    while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    traceback.print_exception(kind, value, trace)


def once():
    import os
    argv = words(3)
    os.close(3)
    sys.argv = argv
    sys.excepthook = show
    import types
    main = types.ModuleType("__main__")
    main.__file__ = argv[0]
    main.__builtins__ = __builtins__
    sys.modules["__main__"] = main
    with open(argv[0], "rb") as f:
        code = compile(f.read(), argv[0], "exec", dont_inherit=True)
    sys.path.insert(0, "/box")
    exec(code, main.__dict__)


def session():
    import ast
    import builtins
    import linecache
    import os
    import types
    main = types.ModuleType("__main__")
    main.__builtins__ = builtins
    sys.modules["__main__"] = main
    sys.path.insert(0, "/box")
    number, own = 0, sys.stdin
    while True:
        try:
            argv = words(3)
        except KeyboardInterrupt:  # too late for the snippet before
            continue
        sys.argv = argv
        if sys.stdin is own:  # what it has read ahead was for the snippet before
            sys.stdin = own = open(0, encoding=own.encoding, errors=own.errors, closefd=False)
        number += 1
        name, bad = "<snippet %d>" % number, b"0\n"
        try:
            with open(argv[0], encoding="utf-8") as f:
                text = f.read()
            linecache.cache[name] = (len(text), None, text.splitlines(True), name)
            tree = ast.parse(text, name)
            last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
            exec(compile(tree, name, "exec", dont_inherit=True), main.__dict__)
            if last is not None:  # its value is shown, as at a prompt
                exec(compile(ast.Interactive([last]), name, "single", dont_inherit=True), main.__dict__)
        except SystemExit:
            raise
        except BaseException:
            show(*sys.exc_info())
            bad = b"1\n"
        for out in (sys.stdout, sys.stderr):
            try:
                out.flush()
            except Exception:
                pass
        os.write(3, bad)


# What is printed is seen as it comes, as on a terminal.
sys.stdout.reconfigure(line_buffering=True)
session() if sys.argv[1:] == ["session"] else once()
