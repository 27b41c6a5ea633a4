"""The published losses by loops over float64 scalars, from their formulas."""

import torch


def softmax(row, tau):
    """exp(z_k / T) / sum_j exp(z_j / T), of a list of scalars."""
    powers = [torch.exp(value / tau) for value in row]
    return [power / sum(powers) for power in powers]


def divergence(p, q):
    """sum_k p_k ln(p_k / q_k)"""
    return sum(a * torch.log(a / b) for a, b in zip(p, q))


def kd(s, t, tau):
    """Hinton et al., section 2."""
    total = 0.0
    for s_row, t_row in zip(s, t):
        total = total + divergence(softmax(t_row, tau), softmax(s_row, tau))
    return tau**2 * total / len(s)


def dkd(s, t, labels, tau, alpha, beta):
    """Zhao et al., equation 7: alpha TCKD + beta NCKD."""
    total = 0.0
    for s_row, t_row, label in zip(s, t, labels.tolist()):
        p_s, p_t = softmax(s_row, tau), softmax(t_row, tau)
        b_s = [p_s[label], 1 - p_s[label]]
        b_t = [p_t[label], 1 - p_t[label]]
        others = [k for k in range(len(p_s)) if k != label]
        h_s = [p_s[k] / b_s[1] for k in others]
        h_t = [p_t[k] / b_t[1] for k in others]
        total = total + alpha * divergence(b_t, b_s)
        total = total + beta * divergence(h_t, h_s)
    return tau**2 * total / len(s)


def standardize(logits, freedom=0):
    """Sun et al., algorithm 1: each row less its mean, over its deviation.

    1e-5 in the variance is layer_norm's, so that equal logits have a gradient.
    Their code divides the squares by K - freedom, freedom 1.
    """
    rows = []
    for row in logits:
        mean = sum(row) / len(row)
        variance = sum((x - mean) ** 2 for x in row) / len(row) + 1e-5
        std = (variance * len(row) / (len(row) - freedom)) ** 0.5
        rows.append((row - mean) / std)
    return torch.stack(rows)


def wttm(s, t, gamma, weighted=True):
    """Zheng and Yang, equation 23; without the weights, equation 2."""
    total = 0.0
    for s_row, t_row in zip(s, t):
        powers = [p**gamma for p in softmax(t_row, 1)]
        sum_of_powers = sum(powers)
        target = [power / sum_of_powers for power in powers]
        weight = sum_of_powers if weighted else 1
        total = total + weight * divergence(target, softmax(s_row, 1))
    return total / len(s)


def pearson(a, b):
    """Covariance over the product of the standard deviations."""
    mean_a, mean_b = sum(a) / len(a), sum(b) / len(b)
    cov = sum((x - mean_a) * (y - mean_b) for x, y in zip(a, b))
    var_a = sum((x - mean_a) ** 2 for x in a)
    var_b = sum((y - mean_b) ** 2 for y in b)
    return cov / torch.sqrt(var_a * var_b)


def dist(s, t, beta, gamma, tau):
    """Huang et al., equations 8 to 11."""
    p_s = [softmax(row, tau) for row in s]
    p_t = [softmax(row, tau) for row in t]
    inter = sum(1 - pearson(a, b) for a, b in zip(p_s, p_t)) / len(p_s)
    columns = list(zip(zip(*p_s), zip(*p_t)))
    intra = sum(1 - pearson(a, b) for a, b in columns) / len(columns)
    return tau**2 * (beta * inter + gamma * intra)


def attention(feature, p):
    """F / ||F||_2 with F the mean over the channels of |A|^p."""
    channels, height, width = feature.shape
    values = [
        sum(abs(feature[c, y, x]) ** p for c in range(channels)) / channels
        for y in range(height)
        for x in range(width)
    ]
    norm = torch.sqrt(sum(value**2 for value in values))
    return [value / norm for value in values]


def at(s, t, p):
    """Zagoruyko and Komodakis, as in their code."""
    squares = [
        (a - b) ** 2
        for s_map, t_map in zip(s, t)
        for a, b in zip(attention(s_map, p), attention(t_map, p))
    ]
    return sum(squares) / len(squares)


def huber(a, b):
    """Half the square below 1, the absolute value less 1/2 above."""
    difference = abs(a - b)
    return difference**2 / 2 if difference < 1 else difference - 0.5


def distances(points):
    """||x_i - x_j|| over its mean over the pairs of distinct points."""
    number = len(points)
    table = [[torch.zeros(()).double()] * number for _ in range(number)]
    for i in range(number):
        for j in range(number):
            if i != j:
                square = sum(
                    (a - b) ** 2 for a, b in zip(points[i], points[j])
                )
                table[i][j] = torch.sqrt(square)
    mean = sum(sum(row) for row in table) / (number * (number - 1))
    return [[value / mean for value in row] for row in table]


def rkd_distance(s, t):
    """Park et al., equations 4 to 6, a mean over N * N."""
    d_s, d_t = distances(s), distances(t)
    number = len(s)
    total = sum(
        huber(d_s[i][j], d_t[i][j])
        for i in range(number)
        for j in range(number)
    )
    return total / number**2


def cosine(points, i, j, k):
    """Cosine of the angle at the point i."""
    a = [x - y for x, y in zip(points[j], points[i])]
    b = [x - y for x, y in zip(points[k], points[i])]
    dot = sum(x * y for x, y in zip(a, b))
    return dot / torch.sqrt(sum(x**2 for x in a) * sum(y**2 for y in b))


def rkd_angle(s, t):
    """Park et al., equations 7 and 8, a mean over N * N * N."""
    number = len(s)
    total = 0.0
    for i in range(number):
        for j in range(number):
            for k in range(number):
                if len({i, j, k}) == 3:
                    total = total + huber(
                        cosine(s, i, j, k), cosine(t, i, j, k)
                    )
    return total / number**3


def products(points):
    """<x_i, x_j> of all pairs."""
    return [[sum(a * b for a, b in zip(x, y)) for y in points] for x in points]


def sp(s, t):
    """Tung and Mori: rows of F F^T, normalised, and their squared distance."""
    total, number = 0.0, len(s)
    for s_row, t_row in zip(products(s.flatten(1)), products(t.flatten(1))):
        s_norm, t_norm = (
            torch.sqrt(sum(a**2 for a in row)) for row in (s_row, t_row)
        )
        total = total + sum(
            (a / s_norm - b / t_norm) ** 2 for a, b in zip(s_row, t_row)
        )
    return total / number**2


def neighbours(points, eps):
    """(cos(x_i, x_j) + 1) / 2 over the sum of its row."""
    units = [x / (torch.sqrt(sum(a**2 for a in x)) + eps) for x in points]
    kernel = [[(value + 1) / 2 for value in row] for row in products(units)]
    return [[value / sum(row) for value in row] for row in kernel]


def pkt(s, t, eps=1e-7):
    """Passalis and Tefas, as in their code, a mean over N * N."""
    total = 0.0
    for s_row, t_row in zip(neighbours(s, eps), neighbours(t, eps)):
        for q, p in zip(s_row, t_row):
            total = total + p * torch.log((p + eps) / (q + eps))
    return total / len(s) ** 2


def srrl(s, t, weight, bias, alpha, beta):
    """Yang et al., equations 2 and 5: L_FM and L_SR, as means."""
    matching, regression = 0.0, 0.0
    for s_map, t_map in zip(s, t):
        s_row, t_row = (
            [sum(c.flatten()) / c.numel() for c in feature]
            for feature in (s_map, t_map)
        )
        matching = matching + sum((a - b) ** 2 for a, b in zip(s_row, t_row))
        for w, b in zip(weight, bias):
            s_logit, t_logit = (
                sum(x * y for x, y in zip(w, row)) + b
                for row in (s_row, t_row)
            )
            regression = regression + (s_logit - t_logit) ** 2
    matching = matching / (len(s) * len(s[0]))
    return alpha * matching + beta * regression / (len(s) * len(weight))


def cat(s, t, weight, cells, normalize):
    """Guo et al., equation 5; cells divide the maps' sides."""

    def cams(feature):
        _, height, width = feature.shape
        rows, columns = height // cells, width // cells
        maps = []
        for row in weight:
            cam = sum(w * channel for w, channel in zip(row, feature))
            cam = [
                sum(
                    cam[y * rows + j, x * columns + i]
                    for j in range(rows)
                    for i in range(columns)
                )
                / (rows * columns)
                for y in range(cells)
                for x in range(cells)
            ]
            norm = torch.sqrt(sum(value**2 for value in cam))
            maps += [value / norm if normalize else value for value in cam]
        return maps

    squares = [
        (a - b) ** 2
        for s_map, t_map in zip(s, t)
        for a, b in zip(cams(s_map), cams(t_map))
    ]
    return sum(squares) / len(squares)


def simkd(s, t):
    """Chen et al., equation 3; the cells of t's map are those of s's."""
    rows, columns = (a // b for a, b in zip(t.shape[2:], s.shape[2:]))
    total = 0.0
    for n, c, y, x in torch.cartesian_prod(*map(torch.arange, s.shape)):
        cell = t[n, c, y * rows : (y + 1) * rows]
        cell = cell[:, x * columns : (x + 1) * columns].flatten()
        total = total + (s[n, c, y, x] - sum(cell) / len(cell)) ** 2
    return total / s.numel()


def norm(s, t):
    """Liu et al., summed over the copies; of each cell of t, the largest."""
    rows, columns = (a // b for a, b in zip(t.shape[2:], s.shape[2:]))
    total = 0.0
    for n, c, y, x in torch.cartesian_prod(*map(torch.arange, s.shape)):
        cell = t[n, c % t.shape[1], y * rows : (y + 1) * rows]
        cell = cell[:, x * columns : (x + 1) * columns].flatten()
        total = total + (s[n, c, y, x] - max(cell)) ** 2
    return total / (s.numel() / (s.shape[1] / t.shape[1]))


def square_error(s, t):
    """Mean squared difference of all elements."""
    pairs = list(zip(s.flatten(), t.flatten()))
    return sum((a - b) ** 2 for a, b in pairs) / len(pairs)


def pooled(feature, level):
    """Means of the cells of a level x level grid."""
    number, channels, height, width = feature.shape

    def bounds(size):
        # of a side that the grid doesn't divide, cells overlap
        return [
            (i * size // level, -(-(i + 1) * size // level))
            for i in range(level)
        ]

    cells = [
        feature[n, c, top:bottom, left:right].mean()
        for n in range(number)
        for c in range(channels)
        for top, bottom in bounds(height)
        for left, right in bounds(width)
    ]
    return torch.stack(cells)


def review(s_maps, t_maps):
    """Chen et al.: levels 4, 2, 1, each with half of the weight before."""
    total = 0.0
    for s, t in zip(s_maps, t_maps):
        levels = [level for level in (4, 2, 1) if level < s.shape[2]]
        weights = [0.5**k for k in range(len(levels) + 1)]
        losses = [square_error(s, t)]
        losses += [
            square_error(pooled(s, level), pooled(t, level))
            for level in levels
        ]
        total = total + sum(a * b for a, b in zip(weights, losses)) / sum(
            weights
        )
    return total


def ofd(s, t, margins):
    """Heo et al., the partial L2 distance, its cases one by one."""
    total = 0.0
    number, channels, height, width = s.shape
    for n in range(number):
        for c in range(channels):
            for y in range(height):
                for x in range(width):
                    a, b, m = s[n, c, y, x], t[n, c, y, x], margins[c]
                    if b > 0:
                        total = total + (a - b) ** 2
                    elif b > m:
                        total = total + (a - b) ** 2 * (a > b)
                    else:
                        total = total + (a - m) ** 2 * (a > m)
    return total / number
