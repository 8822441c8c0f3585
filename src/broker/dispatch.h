/* SPDX-License-Identifier: Apache-2.0
 * From a request's bytes to its handler: the version is served, the body decodes wholly, or the request ends here.
 */
#ifndef BROKER_DISPATCH_H
#define BROKER_DISPATCH_H

#include "broker/request.h"

/* Most bytes of arena that a request of `size` bytes is admitted with: its decoded form and its answer's. */
size_t dispatch_arena_max(size_t size);

/* r's header fields are set; `body` is what follows the header, within r->body. */
void dispatch(struct request *r, struct bytes_view body);

#endif
