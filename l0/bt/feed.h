/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Memory for the regions of a code cache, touched ahead of time by a thread of its own: feed.c */
#ifndef L0_BT_FEED_H
#define L0_BT_FEED_H

struct bt;
struct feed;

/* For a code cache that is divided into its regions, none of which is fed yet. NULL: there is no thread; all goes on without. */
struct feed *feed_create(struct bt *bt);
void feed_destroy(struct feed *f); /* before what it touches is unmapped; NULL is fine */
/* Another region is about to be needed: the first one that hasn't been asked for. Any thread, no lock; NULL is fine. */
void feed_next(struct feed *f);

#endif
