/* The switch of live dissection. */
#include "api/handlers.h"

static void send_status(struct api_call *call)
{
    struct buf json;
    struct json_writer w;
    buf_init(&json, 64 * 1024);
    json_init(&w, &json);
    call->api->backend.live_write(call->api->backend.ctx, &w);
    call_send_json(call, 200, &json);
    buf_done(&json);
}

void handle_live(struct api_call *call)
{
    send_status(call);
}

static void set(struct api_call *call, bool on)
{
    struct error err = {.offset = ERROR_NO_OFFSET};
    if (call->api->backend.live_switch(call->api->backend.ctx, on, &err) < 0) {
        call_error(call, &err);
        return;
    }
    call_audit(call, on ? "live.on" : "live.off", "all nodes", "%s", "");
    send_status(call);
}

void handle_live_on(struct api_call *call)
{
    set(call, true);
}

void handle_live_off(struct api_call *call)
{
    set(call, false);
}
