/*
 * half_space.c
 *		How few points lie where a point lies: half-space trees.
 *
 * Tan, Ting, Liu: "Fast Anomaly Detection for Streaming Data" (2011). Trees halve the space at
 * random: each node a number of the point, at the middle of what its node covers of it. What
 * counts for a point is the mass, in the window before, of the nodes that it falls into, weighted
 * by their depth: how dense points lie there, in proportion to what they would if they filled the
 * space. The score is how often that halves: 0 at this density, 1 at half of it. What the trees
 * cover comes from the first window, as in the paper. The random numbers always begin the same, so
 * that the same points give the same scores.
 */
#include "postgres.h"

#include <math.h>

#include "series/detector.h"
#include "series/median.h"
#include "series/numbers.h"

#define TREES 25
#define DEPTH 8
#define NODES ((1 << (DEPTH + 1)) - 1)
#define LEAST_MASS 0.1			/* of a window: below it no deeper node counts */

typedef struct Node
{
	int			column;
	double		middle;
	int			reference;		/* points of the last whole window */
	int			latest;			/* points of the window that is coming in */
} Node;

typedef struct HalfSpace
{
	CqDetector	base;
	int			count;			/* points of the window that is coming in */
	bool		has_trees;
	bool		is_known;		/* one window has been counted */
	double	   *points;			/* the first window */
	CqModel    *last_scores;	/* of a window */
	uint64		random;
	Node	   *nodes;			/* TREES times NODES, the children of i are 2 i + 1 and 2 i + 2 */
} HalfSpace;

/* Knuth's linear generator: the highest bits, between 0 and 1. */
static double
draw(HalfSpace *trees)
{
	trees->random = trees->random * UINT64CONST(6364136223846793005) +
		UINT64CONST(1442695040888963407);
	return (double) (trees->random >> 11) / (double) (UINT64CONST(1) << 53);
}

static void
grow(HalfSpace *trees, Node *tree, int node, int depth, double *low, double *high)
{
	int			column = (int) (draw(trees) * trees->base.size);
	double		middle = (low[column] + high[column]) / 2;
	double		end;

	tree[node].column = column;
	tree[node].middle = middle;
	if (depth == DEPTH)
		return;
	end = high[column];
	high[column] = middle;
	grow(trees, tree, 2 * node + 1, depth + 1, low, high);
	high[column] = end;
	end = low[column];
	low[column] = middle;
	grow(trees, tree, 2 * node + 2, depth + 1, low, high);
	low[column] = end;
}

/* Each tree covers what the first window has, and as much again, around a point drawn in it. */
static void
plant(HalfSpace *trees)
{
	int			size = trees->base.size;
	double		least[CQ_DETECTOR_MAX_SIZE];
	double		greatest[CQ_DETECTOR_MAX_SIZE];

	for (int i = 0; i < size; i++)
	{
		least[i] = greatest[i] = trees->points[i];
		for (int k = 1; k < trees->base.window; k++)
		{
			least[i] = Min(least[i], trees->points[k * size + i]);
			greatest[i] = Max(greatest[i], trees->points[k * size + i]);
		}
	}
	for (int tree = 0; tree < TREES; tree++)
	{
		double		low[CQ_DETECTOR_MAX_SIZE];
		double		high[CQ_DETECTOR_MAX_SIZE];

		for (int i = 0; i < size; i++)
		{
			double		part = draw(trees);
			double		extent = greatest[i] > least[i] ? greatest[i] - least[i] : 1;
			double		reach = 2 * Max(part, 1 - part) * extent;

			low[i] = least[i] + part * extent - reach;
			high[i] = least[i] + part * extent + reach;
		}
		grow(trees, trees->nodes + tree * NODES, 0, 0, low, high);
	}
	trees->has_trees = true;
}

/* Counts the point in the window that is coming in. */
static void
count_point(HalfSpace *trees, const double *point)
{
	for (int tree = 0; tree < TREES; tree++)
	{
		Node	   *nodes = trees->nodes + tree * NODES;
		int			node = 0;

		for (int depth = 0; depth <= DEPTH; depth++)
		{
			nodes[node].latest++;
			node = 2 * node + (point[nodes[node].column] < nodes[node].middle ? 1 : 2);
		}
	}
}

static void
next_window(HalfSpace *trees)
{
	for (int i = 0; i < TREES * NODES; i++)
	{
		trees->nodes[i].reference = trees->nodes[i].latest;
		trees->nodes[i].latest = 0;
	}
	trees->count = 0;
	trees->is_known = true;
}

static double
half_space_score(CqDetector *detector, const double *point)
{
	HalfSpace  *trees = (HalfSpace *) detector;
	double		mass = 0;

	if (!trees->is_known)
		return NAN;
	for (int tree = 0; tree < TREES; tree++)
	{
		const Node *nodes = trees->nodes + tree * NODES;
		int			node = 0;
		int			depth = 0;

		while (depth < DEPTH && nodes[node].reference >= LEAST_MASS * detector->window)
		{
			node = 2 * node + (point[nodes[node].column] < nodes[node].middle ? 1 : 2);
			depth++;
		}
		mass += ldexp(nodes[node].reference, depth);
	}
	/* Where there is nothing, half a point counts. */
	return -log2((mass + 0.5 * TREES) / ((double) TREES * detector->window));
}

/*
 * A quarter as dense as at the point of that rank among the last ones; of these the two worst do
 * not count, since they may be what is looked for.
 */
static double
half_space_bound(const CqDetector *detector, double level)
{
	const HalfSpace *trees = (const HalfSpace *) detector;

	return cq_median_quantile(trees->last_scores, Min(level, 1 - 3.0 / detector->window)) + 2;
}

static void
half_space_learn(CqDetector *detector, const double *point, double score)
{
	HalfSpace  *trees = (HalfSpace *) detector;
	int			size = detector->size;

	if (!isnan(score))
		trees->last_scores->routine->update(trees->last_scores, score);
	if (!trees->has_trees)
		memcpy(trees->points + trees->count * size, point, size * sizeof(double));
	else
		count_point(trees, point);
	if (++trees->count < detector->window)
		return;
	if (!trees->has_trees)
	{
		plant(trees);
		for (int k = 0; k < detector->window; k++)
			count_point(trees, trees->points + k * size);
	}
	next_window(trees);
}

static const CqDetectorRoutine routine = {
	.score = half_space_score,
	.learn = half_space_learn,
	.bound = half_space_bound,
};

/* palloc'd, for points of so many numbers. */
CqDetector *
cq_half_space_make(int size, int window)
{
	HalfSpace  *trees = palloc0(sizeof(HalfSpace));

	trees->base.routine = &routine;
	trees->base.size = size;
	trees->base.window = window;
	trees->points = palloc(window * size * sizeof(double));
	/* A window of which nothing is there yet. */
	for (int i = 0; i < window; i++)
		trees->points[i] = NAN;
	trees->last_scores = cq_median_make(trees->points, window);
	trees->nodes = palloc0(TREES * NODES * sizeof(Node));
	return &trees->base;
}
