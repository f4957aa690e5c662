/* DNS over TCP and UDP: a script of pieces, gaps and ends (drive.h); the first byte's top bit
 * chooses. */
#include "dissect/drive.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bool is_udp = size && data[0] & 0x80;
    dissect_drive_fuzz("dns", is_udp ? DISSECT_UDP : DISSECT_TCP, data, size);
    return 0;
}
