"""Tables as one JSON document."""

import json
from collections.abc import Sequence

from uad_bench.boards.sheet import Sheet
from uad_bench.output.formats.comma import table_rows


def json_text(sheets: Sequence[Sheet]) -> str:
    """`{"tables": [{"title", "notes", "rows": [{…}]}]}`; unknown numbers are null.

    ASCII only, so that names cannot send control characters to a terminal.
    """
    tables = [
        {
            "title": sheet.title,
            "notes": list(sheet.notes),
            "rows": [{k: v for k, v in row.items() if k != "table"} for row in table_rows([sheet])],
        }
        for sheet in sheets
    ]
    return json.dumps({"tables": tables}, indent=1, allow_nan=False) + "\n"
