/* SPDX-License-Identifier: Apache-2.0
 * The file quorum-state: see raft.h. A small reader of JSON: one object whose members are numbers and texts; members
 * that are lists or objects (currentVoters) are stepped over.
 */
#include "raft/raft.h"

struct scan {
    struct str_view left;
    bool bad;
};

static void skip_space(struct scan *s)
{
    while (s->left.size && strchr(" \t\r\n", *s->left.data) && *s->left.data) {
        s->left.data++;
        s->left.size--;
    }
}

/* Steps over `c` when it is next. */
static bool accept(struct scan *s, char c)
{
    skip_space(s);
    if (!s->left.size || *s->left.data != c)
        return false;
    s->left.data++;
    s->left.size--;
    return true;
}

static void expect(struct scan *s, char c)
{
    if (!accept(s, c))
        s->bad = true;
}

/* A text without escapes: none of the members' needs any. */
static struct str_view scan_text(struct scan *s)
{
    struct str_view text;
    const char *end;

    expect(s, '"');
    end = s->bad || !s->left.size ? NULL : memchr(s->left.data, '"', s->left.size);
    if (!end) {
        s->bad = true;
        return STR_NULL;
    }
    text = (struct str_view){s->left.data, (size_t)(end - s->left.data)};
    s->left.size -= text.size + 1;
    s->left.data = end + 1;
    return text;
}

static int32_t scan_number(struct scan *s)
{
    bool negative = accept(s, '-');
    int64_t value = 0;
    size_t n = 0;

    skip_space(s);
    for (; n < s->left.size && s->left.data[n] >= '0' && s->left.data[n] <= '9' && value <= INT32_MAX; n++)
        value = value * 10 + (s->left.data[n] - '0');
    s->left.data += n;
    s->left.size -= n;
    if (!n || value > INT32_MAX)
        s->bad = true;
    return (int32_t)(negative ? -value : value);
}

/* Over a list or an object, whatever is in it. How many objects a list has. */
static int32_t skip_nested(struct scan *s)
{
    int32_t objects = 0;
    int depth = 0;

    do {
        if (!s->left.size) {
            s->bad = true;
            return 0;
        }
        if (*s->left.data == '"') {
            (void)scan_text(s);
            continue;
        }
        objects += depth == 1 && *s->left.data == '{';
        depth += (*s->left.data == '[' || *s->left.data == '{') - (*s->left.data == ']' || *s->left.data == '}');
        s->left.data++;
        s->left.size--;
    } while (depth > 0 && !s->bad);
    return objects;
}

static void scan_member(struct scan *s, struct str_view name, struct quorum_state *out)
{
    skip_space(s);
    if (str_is(name, "leaderId"))
        out->leader_id = scan_number(s);
    else if (str_is(name, "leaderEpoch"))
        out->leader_epoch = scan_number(s);
    else if (str_is(name, "votedId"))
        out->voted_id = scan_number(s);
    else if (str_is(name, "data_version"))
        out->version = (int16_t)scan_number(s);
    else if (str_is(name, "votedDirectoryId"))
        s->bad |= !uuid_parse(scan_text(s), &out->voted_directory);
    else if (str_is(name, "currentVoters"))
        out->voters = skip_nested(s);
    else if (s->left.size && *s->left.data == '"')
        (void)scan_text(s);
    else if (s->left.size && (*s->left.data == '[' || *s->left.data == '{'))
        (void)skip_nested(s);
    else
        (void)scan_number(s);
}

enum status quorum_state_parse(struct str_view text, struct quorum_state *out, struct err *err)
{
    struct scan s = {.left = text};

    *out = (struct quorum_state){.leader_id = -1, .leader_epoch = -1, .voted_id = -1, .version = -1};
    expect(&s, '{');
    while (!s.bad) {
        struct str_view name = scan_text(&s);

        expect(&s, ':');
        if (!s.bad)
            scan_member(&s, name, out);
        if (!accept(&s, ','))
            break;
    }
    expect(&s, '}');
    skip_space(&s);
    if (s.bad || s.left.size || out->leader_epoch < 0 || out->version < 0 || out->version > 1)
        return err_set(err, STATUS_CORRUPT, "%s does not say what it must", QUORUM_STATE_FILE);
    return STATUS_OK;
}

size_t quorum_state_format(const struct quorum_state *state, int32_t node_id, char text[static QUORUM_STATE_SIZE])
{
    char directory[UUID_TEXT_SIZE];
    int n;

    uuid_format(state->voted_directory, directory);
    if (state->version == 0)
        n = snprintf(text, QUORUM_STATE_SIZE,
                     "{\"clusterId\":\"\",\"leaderId\":%d,\"leaderEpoch\":%d,\"votedId\":%d,\"appliedOffset\":0,"
                     "\"currentVoters\":[{\"voterId\":%d}],\"data_version\":0}",
                     state->leader_id, state->leader_epoch, state->voted_id, node_id);
    else
        n = snprintf(
            text, QUORUM_STATE_SIZE,
            "{\"leaderId\":%d,\"leaderEpoch\":%d,\"votedId\":%d,\"votedDirectoryId\":\"%s\",\"data_version\":1}",
            state->leader_id, state->leader_epoch, state->voted_id, directory);
    return (size_t)n;
}
