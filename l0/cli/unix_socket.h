/* SPDX-License-Identifier: GPL-2.0-or-later */
/* UNIX sockets by their names in the file system. */
#ifndef L0_CLI_UNIX_SOCKET_H
#define L0_CLI_UNIX_SOCKET_H

/*
 * A socket that listens at `path`, close-on-exec and non-blocking, for its owner alone (mode 0600). One that nobody listens at any
 * more is replaced. The socket, or -errno: -EADDRINUSE if somebody does listen there, or if `path` is something else;
 * -ENAMETOOLONG: the kernel takes 107 bytes.
 */
int unix_listen(const char *path);

/*
 * Connect to it: the socket, close-on-exec and blocking, or -errno. seconds: how long that takes at most, as does every call on the socket
 * from then on, until unix_limit() says otherwise: then it is EAGAIN; 0: for ever, if there is no room for one more and nobody makes some.
 */
int unix_connect(const char *path, unsigned int seconds);
void unix_limit(int fd, unsigned int seconds);

#endif
