//! What the tracepoints pass, from their prototypes: kernel versions do not tell, because stable
//! trees changed the arguments too (5.10.137).

use iotruth_common::{
    layout::ABSENT,
    probe::{PROBES, Probe},
};

use super::{
    error::BtfError,
    index::Index,
    reader::{Kind, Sections, Type, word},
};

/// Positions of the arguments, and what the completion carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Arguments {
    /// Which argument is the request, by probe; [`ABSENT`] without the tracepoint, or a function in its
    /// place.
    pub(super) request: [u32; PROBES],
    /// `block_rq_complete` passes an `int` errno rather than a `blk_status_t`.
    pub(super) status_is_errno: bool,
    /// Tracepoints that this kernel does not have.
    pub(super) missing: Vec<Probe>,
    /// The starts of flushes are told by a function.
    pub(super) insert_flush: bool,
}

/// Which probe's prototype the typedef of this name gives.
pub(super) fn probe_of(sections: &Sections<'_>, name: u32) -> Option<Probe> {
    let rest = sections.after(name, "btf_trace_block_")?;
    Probe::ALL.into_iter().find(|probe| {
        let tracepoint = probe.tracepoint();
        let own = tracepoint.strip_prefix("block_").unwrap_or(tracepoint);
        rest.strip_prefix(own.as_bytes()).is_some_and(|rest| rest.first() == Some(&0))
    })
}

/// Finds the arguments of every probe.
pub(super) fn resolve(index: &Index<'_>) -> Result<Arguments, BtfError> {
    let mut arguments = Arguments {
        request: [ABSENT; PROBES],
        status_is_errno: false,
        missing: Vec::new(),
        insert_flush: false,
    };
    for probe in Probe::ALL {
        let tracepoint = probe.tracepoint();
        let Some(typedef) = index.tracepoint(probe) else {
            if probe.mandatory() {
                return Err(BtfError::TracepointMissing(tracepoint));
            }
            if probe == Probe::Start
                && let Some(position) = insert_flush(index)?
            {
                arguments.request[probe as usize] = position;
                arguments.insert_flush = true;
            } else {
                arguments.missing.push(probe);
            }
            continue;
        };
        let (prototype, parameters) = parameters(index, tracepoint, typedef)?;
        let what = "no argument is a pointer to struct request";
        let position = request_among(index, &prototype, &parameters)?
            .ok_or(BtfError::Argument { tracepoint, what })?;
        arguments.request[probe as usize] = position as u32;
        if probe == Probe::Complete {
            let rest = parameters.get(position + 1..).unwrap_or_default();
            arguments.status_is_errno = status_is_errno(index, &prototype, rest)?;
        }
    }
    Ok(arguments)
}

/// Which of these arguments is a request.
fn request_among(
    index: &Index<'_>,
    prototype: &Type<'_>,
    parameters: &[u32],
) -> Result<Option<usize>, BtfError> {
    for (number, id) in parameters.iter().enumerate() {
        if index.points_to(prototype, *id, "request")? {
            return Ok(Some(number));
        }
    }
    Ok(None)
}

/// Which argument of `blk_insert_flush` is the request, if this kernel has the function and it is given
/// one.
fn insert_flush(index: &Index<'_>) -> Result<Option<u32>, BtfError> {
    let Some(function) = &index.insert_flush else { return Ok(None) };
    let Some(prototype) = index.get(function, function.word)? else { return Ok(None) };
    if prototype.kind != Kind::Prototype {
        return Ok(None);
    }
    let parameters: Vec<u32> =
        prototype.elements::<8>().filter_map(|parameter| word(parameter, 4)).collect();
    let position = request_among(index, &prototype, &parameters)?;
    Ok(position.map(|position| position as u32))
}

/// The prototype behind the typedef, and the types of the arguments that a program gets.
fn parameters<'a>(
    index: &Index<'a>,
    tracepoint: &'static str,
    typedef: &Type<'a>,
) -> Result<(Type<'a>, Vec<u32>), BtfError> {
    let what = "its type is not a pointer to a function";
    let wrong = BtfError::Argument { tracepoint, what };
    let Some(pointer) = index.strip(typedef, typedef.word)?.filter(|it| it.kind == Kind::Pointer)
    else {
        return Err(wrong);
    };
    let Some(prototype) =
        index.strip(&pointer, pointer.word)?.filter(|it| it.kind == Kind::Prototype)
    else {
        return Err(wrong);
    };
    // The first parameter is the tracepoint's own `void *__data`, which programs do not get.
    let parameters = prototype.elements::<8>().skip(1).filter_map(|it| word(it, 4)).collect();
    Ok((prototype, parameters))
}

/// Looks at what follows the request in `block_rq_complete`: the status, then the bytes.
fn status_is_errno(
    index: &Index<'_>,
    prototype: &Type<'_>,
    rest: &[u32],
) -> Result<bool, BtfError> {
    let tracepoint = Probe::Complete.tracepoint();
    let number_size = |id: Option<&u32>| -> Result<Option<u32>, BtfError> {
        let Some(id) = id else { return Ok(None) };
        let found = index.strip(prototype, *id)?.filter(|found| found.kind == Kind::Int);
        Ok(found.map(|found| found.word))
    };
    let is_errno = match number_size(rest.first())? {
        Some(4) => true,
        Some(1) => false,
        _ => {
            let what = "the argument after the request is neither an errno nor a blk_status_t";
            return Err(BtfError::Argument { tracepoint, what });
        }
    };
    if number_size(rest.get(1))? != Some(4) {
        let what = "the argument after the status is not a number of bytes";
        return Err(BtfError::Argument { tracepoint, what });
    }
    Ok(is_errno)
}
