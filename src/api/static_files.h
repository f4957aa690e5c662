/* The dashboard's files out of the binary. Thread: any. */
#ifndef TRAWL_API_STATIC_FILES_H
#define TRAWL_API_STATIC_FILES_H

struct api_call;

/* The file of the request's path ("/": index.html); 404 when there is none. */
void static_file_send(struct api_call *call);

#endif
