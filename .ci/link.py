"""Makes this checkout importable in its virtual environment and puts the command `dispo` there.

An editable install would do the same, but needs a build back-end from the network.
"""

import sys
import sysconfig
from pathlib import Path

root = Path(__file__).resolve().parent.parent
Path(sysconfig.get_path("purelib"), "dispo.pth").write_text(f"{root}\n", encoding="utf-8")
command = Path(sys.prefix, "bin", "dispo")
command.write_text(
    "#!/bin/sh\n"
    'exec "$(dirname "$0")/python" -c '
    '\'import sys; sys.argv[0] = "dispo"; from connector.cli import main; sys.exit(main())\' "$@"\n',
    encoding="utf-8",
)
command.chmod(0o755)
