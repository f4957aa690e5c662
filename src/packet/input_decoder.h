/* Streaming decompression of gzip (RFC 1952, several members), Zstandard (RFC 8878) and LZ4 frames
 * behind one call. Memory is bounded whatever the input claims: gzip 32 KiB, Zstandard windows up
 * to 64 MiB, LZ4 blocks up to 4 MiB. Thread: owner. */
#ifndef TRAWL_PACKET_INPUT_DECODER_H
#define TRAWL_PACKET_INPUT_DECODER_H

#include "base/error.h"
#include "base/slice.h"

enum input_codec {
    INPUT_PLAIN,
    INPUT_GZIP,
    INPUT_ZSTD,
    INPUT_LZ4
};

struct input_decoder;

/* By the magic number; INPUT_PLAIN when it is none of ours. */
enum input_codec input_codec_detect(struct slice first_bytes);

/* codec is not INPUT_PLAIN. 0 or -ENOMEM. */
int input_decoder_new(enum input_codec codec, struct input_decoder **ret_decoder);
void input_decoder_free(struct input_decoder *decoder);

/* Moves *in over what was consumed; *ret_written bytes were put into out, also before an
 * error. Neither may be zero at
 * the same time while both had room: that is -EBADMSG, like damage in the stream. */
int input_decoder_run(struct input_decoder *decoder, struct slice *in, uint8_t *out,
                      size_t out_size, size_t *ret_written, struct error *reterr);
/* Whether the input may end here (between two members or frames). */
bool input_decoder_at_boundary(const struct input_decoder *decoder);

#endif
