/* Content codings undone while the bytes come: what an entry keeps of a body (dissect_decode_body),
 * and bodies larger than that.
 *
 * In: pieces of the coded body, of any size. Out: the decoded pieces through a callback, borrowed
 * for the call. Codings as dissect_decode_body knows them (gzip, deflate, br, zstd; several in the
 * order in which they were applied). Memory: the decoders' windows (at most 8 MiB each) and 64 KiB
 * a coding, whatever the body's size. A body, or what one of several codings gives to the next,
 * that grows beyond 16 MiB and 200 times what came is a bomb: -EFBIG. Thread: owner. Sources: RFC
 * 9110 section 8.4.1, RFC 7932, RFC 8878. */
#ifndef TRAWL_DISSECT_BODY_DECODER_H
#define TRAWL_DISSECT_BODY_DECODER_H

#include "base/error.h"
#include "base/slice.h"

struct body_decoder;

/* Anything but 0 stops the decoding and is returned. */
typedef int (*body_sink)(void *ctx, const uint8_t *data, size_t n);

/* codings: "gzip", "br, gzip" …; empty: the pieces go on as they are. -ENOTSUP for an unknown one
 * (sentence), -ENOMEM. */
int body_decoder_new(struct slice codings, body_sink sink, void *ctx,
                     struct body_decoder **ret_decoder, struct error *reterr);
void body_decoder_free(struct body_decoder *decoder);

/* -EBADMSG for damage, -EFBIG for a bomb, -ENOMEM, each with a sentence; what the sink said (a
 * positive number: -ECANCELED), without one. Then nothing more may be added. */
int body_decoder_add(struct body_decoder *decoder, struct slice piece, struct error *reterr);
/* -EBADMSG when a coding is not at its end. */
int body_decoder_end(struct body_decoder *decoder, struct error *reterr);

#endif
