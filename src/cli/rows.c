/* SPDX-License-Identifier: Apache-2.0
 * Rows: what `barnabas log` tells, once for a person and for a script. A text field of safe characters stands as it is, any other as JSON
 * writes it, so that a line can be taken apart again.
 */
#include <inttypes.h>

#include "cli/cli_int.h"

void cli__row(const struct cli_rows *rows, const char *kind)
{
    fprintf(rows->out, rows->json ? "{\"kind\":\"%s\"" : "%s", kind);
    if (rows->json && rows->file)
        cli__row_text(rows, "file", str_from(rows->file));
}

static void put_name(const struct cli_rows *rows, const char *field)
{
    fprintf(rows->out, rows->json ? ",\"%s\":" : " %s=", field);
}

void cli__row_number(const struct cli_rows *rows, const char *field, int64_t value)
{
    put_name(rows, field);
    fprintf(rows->out, "%" PRId64, value);
}

void cli__row_flag(const struct cli_rows *rows, const char *field, bool value)
{
    put_name(rows, field);
    fputs(value ? "true" : "false", rows->out);
}

static bool plain(struct str_view text)
{
    for (size_t i = 0; i < text.size; i++)
        if (text.data[i] <= ' ' || text.data[i] > '~' || strchr("\"'\\=", text.data[i]))
            return false;
    return text.size > 0;
}

void cli__row_text(const struct cli_rows *rows, const char *field, struct str_view text)
{
    put_name(rows, field);
    if (!rows->json && plain(text))
        fwrite(text.data, 1, text.size, rows->out);
    else
        cli__json_value(rows->out, text.data, text.size);
}

void cli__row_bytes(const struct cli_rows *rows, const char *field, struct bytes_view bytes)
{
    put_name(rows, field);
    cli__json_value(rows->out, bytes.data, bytes.size);
}

void cli__row_end(const struct cli_rows *rows)
{
    fputs(rows->json ? "}\n" : "\n", rows->out);
}
