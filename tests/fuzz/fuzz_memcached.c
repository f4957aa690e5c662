/* memcached, over TCP and (when bit 3 of the first byte is set) over UDP: a script of pieces, gaps
 * and ends (drive.h). */
#include "dissect/drive.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bool udp = size && data[0] & 8;
    dissect_drive_fuzz("memcached", udp ? DISSECT_UDP : DISSECT_TCP, data, size);
    return 0;
}
