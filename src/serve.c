/* SPDX-License-Identifier: Apache-2.0
 * See serve.h. Options → configuration → node (node.h) on a thread for every two processors.
 *
 * Standard output gets one line, when clients may connect: "ready PLAINTEXT://127.0.0.1:9092 cluster=... node=... ms=...". Everything else is log
 * lines on standard error.
 */
#include "serve.h"

#include "base/mem.h"
#include "broker/memory.h"
#include "exporter.h"
#include "node.h"
#include "rt/fs.h"
#include "rt/log.h"
#include "rt/run.h"
#include "store/store.h"

enum {
    CONFIG_FILE_MAX = 1024 * 1024,
    JOB_THREADS = 7,                         /* a shard: the journal, spills, their syncs, a commit that rolls, the cleaner, and two that read */
    SETS_MAX = 256,
    HOST_NAME_MAX_SIZE = 256,

    /* Of the descriptors that the system allows, so many parts of all: */
    FILES_PARTS = 4,
    FILES_SEGMENTS = 1,    /* segments that are open; what is being written or sent besides, listeners and the like have the part that is left */
    FILES_CONNECTIONS = 2,
};

struct serving {
    struct config *config;
    const char *file, *data;
    const char *sets[SETS_MAX];
    size_t sets_count;
    bool memory;
    unsigned shards;
    char host[HOST_NAME_MAX_SIZE];
    struct node *node;
    struct shard *shard0;
    struct exporter *exporter;
    int64_t start_ms;
    bool failed;
};

static void help(void)
{
    fputs("usage: barnabas serve [options]\n\n"
          "  --config FILE   a server.properties, as Kafka has it\n"
          "  --set KEY=VALUE overrides one key (may stand several times)\n"
          "  --data DIR      where the data is (log.dirs); default ./data without a configuration file\n"
          "  --memory        nothing on disk: all is lost when it stops\n\n"
          "Prints one line when it is ready. SIGTERM and SIGINT stop it cleanly.\n",
          stdout);
}

static bool option_value(int argc, char **argv, int *i, const char *name, const char **value)
{
    size_t size = strlen(name);

    if (strcmp(argv[*i], name) == 0 && *i + 1 < argc) {
        *value = argv[++*i];
        return true;
    }
    if (strncmp(argv[*i], name, size) == 0 && argv[*i][size] == '=') {
        *value = argv[*i] + size + 1;
        return true;
    }
    return false;
}

/* 0: go on; else the exit status plus one. */
static int options(struct serving *s, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *value;

        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            help();
            return 1;
        }
        if (strcmp(argv[i], "--memory") == 0) {
            s->memory = true;
        } else if (option_value(argc, argv, &i, "--config", &value)) {
            s->file = value;
        } else if (option_value(argc, argv, &i, "--data", &value)) {
            s->data = value;
        } else if (option_value(argc, argv, &i, "--set", &value) && s->sets_count < SETS_MAX) {
            s->sets[s->sets_count++] = value;
        } else {
            fprintf(stderr, "barnabas serve: '%s' is not an option, or its value is missing; --help lists them\n", argv[i]);
            return 3;
        }
    }
    return 0;
}

static enum status configure_file(struct serving *s, struct fs *fs, struct err *err)
{
    char *text = NULL;
    size_t size = 0;
    enum status status = fs_read_file(fs, s->file, CONFIG_FILE_MAX, &text, &size, err);

    if (status == STATUS_OK)
        status = config_load(s->config, s->file, (struct str_view){text, size}, err);
    mem_free(text);
    return status;
}

static enum status configure(struct serving *s, struct fs *disk, struct err *err)
{
    const struct config_unknown *unknown;
    char data[FS_PATH_MAX + 16];
    size_t count = 0;
    enum status status = s->file ? configure_file(s, disk, err) : config_set_builtin(s->config, err);

    if (status == STATUS_OK && (s->data || s->memory)) {
        snprintf(data, sizeof data, "log.dirs=%s", s->memory ? "/memory" : s->data);
        status = config_set(s->config, str_from(data), err);
    }
    for (size_t i = 0; status == STATUS_OK && i < s->sets_count; i++)
        status = config_set(s->config, str_from(s->sets[i]), err);
    if (status == STATUS_OK)
        status = config_finish(s->config, err);
    unknown = config_unknown(s->config, &count);
    for (size_t i = 0; i < count; i++)
        log_line(LOG_WARN, "unknown configuration key", "key=%.*s nearest=%s", STR_ARG(unknown[i].key), unknown[i].nearest ? unknown[i].nearest : "-");
    return status;
}

static void ready(struct node *node, void *context)
{
    const struct serving *s = context;
    const struct listener *listeners;
    size_t count = 0;

    listeners = node_listeners(node, &count);
    printf("ready");
    for (size_t i = 0; i < count; i++)
        printf(" " STR_FMT "://%s:%d", STR_ARG(listeners[i].name), listeners[i].host[0] ? listeners[i].host : listeners[i].advertised_host, listeners[i].port);
    printf(" cluster=%s ms=%lld\n", node_cluster_id(node), (long long)(rt_wall_ms() - s->start_ms));
    fflush(stdout);
}

static void stopped(struct node *node, void *context)
{
    const struct serving *s = context;

    rt_stop(s->shard0);
}

static void failed(struct node *node, const struct err *err, void *context)
{
    struct serving *s = context;

    log_line(LOG_FATAL, "barnabas ends", "reason=%s", err->text);
    s->failed = true;
    rt_stop(s->shard0);
}

static void on_start(struct shard *shard, void *context)
{
    struct serving *s = context;
    struct err err;

    if (shard_id(shard) == 0) {
        s->shard0 = shard;
        if (exporter_open(s->config, node_broker(s->node), &s->exporter, &err)) { /* its thread is to leave signals alone, as ours do */
            failed(s->node, &err, s);
            return;
        }
    }
    node_start_shard(s->node, shard);
}

static void on_signal(struct shard *shard, int signal, void *context)
{
    struct serving *s = context;

    log_line(LOG_INFO, "stopping", "signal=%d", signal);
    node_stop(s->node);
}

/* Half of the processors, if not told: what a shard has the kernel do for the network and the disk, its jobs and clients that are near need the rest. */
static unsigned shards_wanted(const struct config *config)
{
    unsigned told = (unsigned)config_i64(config, CONFIG_BARNABAS_SHARDS), half = (rt_cores() + 1) / 2;

    return told ? told : half < SHARDS_MAX ? half : SHARDS_MAX;
}

static enum status run(struct serving *s, struct fs *fs, struct err *err)
{
    unsigned files = rt_files_max();
    struct node_hooks hooks = {.ready = ready, .stopped = stopped, .failed = failed, .context = s};
    struct broker_options broker = {.config = s->config, .fs = fs, .shards = s->shards, .wall_ms = s->start_ms, .journal = s->memory ? 0 : STORE_JOURNAL_SIZE, .host = s->host,
                                    .files = files / FILES_PARTS * FILES_SEGMENTS, .connections = files / FILES_PARTS * FILES_CONNECTIONS};
    struct rt_options rt = {.shards = s->shards,
                            .job_threads = JOB_THREADS,
                            .buffer_budget = memory_share(s->config, MEMORY_REQUESTS, s->shards),
                            .fs = fs,
                            .context = s,
                            .on_start = on_start,
                            .on_signal = on_signal};
    enum status status;

    memory_print(s->config, s->shards);
    rt_entropy(broker.entropy, sizeof broker.entropy);
    status = node_open(&broker, &hooks, &s->node, err);
    if (status == STATUS_OK)
        status = rt_run(&rt, err);
    exporter_close(s->exporter);
    if (status == STATUS_OK && s->failed)
        return STATUS_INVALID; /* told already; what is half open ends with the process */
    if (status == STATUS_OK)
        status = node_close(s->node, err);
    return status;
}

int serve(int argc, char **argv)
{
    struct serving s = {.config = config_new(), .start_ms = rt_wall_ms()};
    struct fs *disk = fs_posix_new(), *fs = NULL;
    struct err err = {0};
    int end = options(&s, argc, argv);
    enum status status = STATUS_OK;

    if (end)
        return end - 1;
    if (!s.config || !disk)
        status = err_set(&err, STATUS_NO_MEMORY, "no memory");
    if (status == STATUS_OK)
        status = configure(&s, disk, &err);
    if (status == STATUS_OK && s.memory && !(fs = fs_mem_new()))
        status = err_set(&err, STATUS_NO_MEMORY, "no memory");
    if (status == STATUS_OK) {
        s.shards = shards_wanted(s.config);
        rt_host_name(s.host, sizeof s.host);
        status = run(&s, fs ? fs : disk, &err);
    }
    if (status && !s.failed)
        log_line(LOG_FATAL, "barnabas ends", "reason=%s", err.text);
    if (fs)
        fs_free(fs);
    if (disk && !s.failed)
        fs_free(disk);
    if (s.config && !s.failed)
        config_free(s.config);
    return status ? 1 : 0;
}
