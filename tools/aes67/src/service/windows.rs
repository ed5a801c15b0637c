//! Installs and runs Windows services.
//!
//! Model: the service manager starts this program as `aes67 service run NAME ...`. The program
//! passes its first thread to the manager, which starts another thread, on which the command runs
//! as in a console. The manager's controls set the flag that Ctrl-C sets in a console, so that
//! files are completed in the same way. A service would also receive a console event for each user
//! who logs off, and must not end because of it, so it does not register for console events.

use super::Plan;
use super::log::{LARGEST, Log};
use crate::failure::{Failure, Result};
use crate::session::{print, warn};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use windows_service::service::{
    Service, ServiceAccess, ServiceAction, ServiceActionType, ServiceControl, ServiceControlAccept,
    ServiceErrorControl, ServiceExitCode, ServiceFailureActions, ServiceFailureResetPeriod, ServiceInfo,
    ServiceStartType, ServiceState, ServiceStatus, ServiceType,
};
use windows_service::service_control_handler::{self, ServiceControlHandlerResult, ServiceStatusHandle};
use windows_service::service_manager::{ServiceManager, ServiceManagerAccess};
use windows_service::{define_windows_service, service_dispatcher};

/// The account with the fewest privileges that may use the network; it has no password.
const ACCOUNT: &str = "NT AUTHORITY\\LocalService";
/// Time between a failure and the next attempt. When a computer starts, the network may become
/// available a few seconds late.
const RESTART: Duration = Duration::from_secs(5);
/// Maximum time for completing files: as long as Windows waits at a shutdown.
const ENDING: Duration = Duration::from_secs(20);
/// How often the size of the log is checked.
const LOOK: Duration = Duration::from_secs(60);

const ERROR_ACCESS_DENIED: i32 = 5;
const ERROR_SERVICE_DOES_NOT_EXIST: i32 = 1060;
const ERROR_SERVICE_NOT_ACTIVE: i32 = 1062;
const ERROR_FAILED_SERVICE_CONTROLLER_CONNECT: i32 = 1063;
const ERROR_SERVICE_EXISTS: i32 = 1073;

define_windows_service!(main_of_service, serve);

/// The plan, which the service manager's thread reads.
static PLAN: OnceLock<Plan> = OnceLock::new();
/// The flag that the service manager sets to end the service.
static STOP: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// The flag that ends a run; `None` if this process is not a service.
pub(crate) fn stop() -> Option<Arc<AtomicBool>> {
    STOP.get().cloned()
}

pub(super) fn install(plan: &Plan) -> Result<ExitCode> {
    plan.command()?;
    let here = std::env::current_dir().map_err(Failure::run)?;
    let folder = plan.folder.as_ref().map_or_else(|| here.clone(), |folder| here.join(folder));
    let log = plan.log.as_ref().map_or_else(|| default_log(&plan.name), |log| here.join(log));
    let info = ServiceInfo {
        name: OsString::from(&plan.name),
        display_name: OsString::from(format!("AES67: {}", plan.name)),
        service_type: ServiceType::OWN_PROCESS,
        start_type: ServiceStartType::AutoStart,
        error_control: ServiceErrorControl::Normal,
        executable_path: std::env::current_exe().map_err(Failure::run)?,
        launch_arguments: plan.launch(&folder, &log),
        dependencies: Vec::new(),
        account_name: Some(ACCOUNT.into()),
        account_password: None,
    };
    let manager = manager(ServiceManagerAccess::CONNECT | ServiceManagerAccess::CREATE_SERVICE)?;
    // START is necessary because setting the restart action requires the right to start the
    // service.
    let access = ServiceAccess::CHANGE_CONFIG | ServiceAccess::START;
    let service = manager.create_service(&info, access).map_err(|error| told(&plan.name, error))?;
    if let Err(error) = restart_after_failures(&service) {
        warn(format_args!("Windows does not start {} again after a failure: {}", plan.name, reason(error)));
    }
    print(&format!(
        "{} is installed, and runs from the next start of the computer on; now: net start \"{0}\"",
        plan.name
    ));
    print(&format!(
        "its log is {}, its account {ACCOUNT}, which must be allowed to use {}",
        log.display(),
        folder.display()
    ));
    Ok(ExitCode::SUCCESS)
}

fn default_log(name: &str) -> PathBuf {
    let data = std::env::var_os("ProgramData").unwrap_or_else(|| "C:\\ProgramData".into());
    Path::new(&data).join("AES67").join(format!("{name}.log"))
}

fn restart_after_failures(service: &Service) -> windows_service::Result<()> {
    service.set_description("Runs a command of aes67: see `aes67 service --help`")?;
    service.update_failure_actions(ServiceFailureActions {
        reset_period: ServiceFailureResetPeriod::Never,
        reboot_msg: None,
        command: None,
        // The last action in the list applies to all further failures.
        actions: Some(vec![ServiceAction { action_type: ServiceActionType::Restart, delay: RESTART }]),
    })?;
    // The service is restarted not only after a crash, but also after the command has ended with an
    // error.
    service.set_failure_actions_on_non_crash_failures(true)
}

pub(super) fn uninstall(name: &str) -> Result<ExitCode> {
    let told = |error| told(name, error);
    let manager = manager(ServiceManagerAccess::CONNECT)?;
    let access =
        ServiceAccess::QUERY_CONFIG | ServiceAccess::QUERY_STATUS | ServiceAccess::STOP | ServiceAccess::DELETE;
    let service = manager.open_service(name, access).map_err(told)?;
    let runs = service.query_config().map_err(told)?.executable_path;
    if !runs.to_string_lossy().contains(" service run ") {
        return Err(Failure::input(format!("{name} is not a service of aes67: it runs {}", runs.display())));
    }
    match service.stop() {
        Ok(_) => {}
        Err(error) if code(&error) == Some(ERROR_SERVICE_NOT_ACTIVE) => {}
        Err(error) => return Err(told(error)),
    }
    let mut waited = Duration::ZERO;
    while service.query_status().map_err(told)?.current_state != ServiceState::Stopped {
        if waited >= ENDING {
            return Err(Failure::run(format!("{name} has not ended after {} s, and stays", ENDING.as_secs())));
        }
        let step = Duration::from_millis(200);
        std::thread::sleep(step);
        waited += step;
    }
    service.delete().map_err(told)?;
    print(&format!("{name} is removed"));
    Ok(ExitCode::SUCCESS)
}

/// Runs as a service until the service manager stops it.
pub(super) fn run(plan: &Plan) -> Result<ExitCode> {
    plan.command()?;
    // A process runs only one service, so this is set only once.
    let name = &PLAN.get_or_init(|| plan.clone()).name;
    service_dispatcher::start(name, main_of_service).map_err(|error| told(name, error))?;
    Ok(ExitCode::SUCCESS)
}

/// Runs the service, on the service manager's thread.
fn serve(_: Vec<OsString>) {
    let Some(plan) = PLAN.get() else { return };
    let stop = Arc::clone(STOP.get_or_init(Arc::default));
    if let Err(error) = serve_by(plan, &stop) {
        // This goes to the log, if it is already open.
        warn(format_args!("error: {error}"));
    }
}

fn serve_by(plan: &Plan, stop: &Arc<AtomicBool>) -> Result<()> {
    let told = |error| told(&plan.name, error);
    let manager: Arc<OnceLock<ServiceStatusHandle>> = Arc::default();
    let (asked, shown) = (Arc::clone(stop), Arc::clone(&manager));
    let handler = move |control| match control {
        ServiceControl::Stop | ServiceControl::Shutdown => {
            asked.store(true, Ordering::Relaxed);
            match shown.get().map(|manager| manager.set_service_status(status(ServiceState::StopPending, 0))) {
                None | Some(Ok(())) => ServiceControlHandlerResult::NoError,
                Some(Err(error)) => {
                    ServiceControlHandlerResult::Other(code(&error).unwrap_or_default().cast_unsigned())
                }
            }
        }
        ServiceControl::Interrogate => ServiceControlHandlerResult::NoError,
        _ => ServiceControlHandlerResult::NotImplemented,
    };
    let registered = service_control_handler::register(&plan.name, handler).map_err(told)?;
    let manager = manager.get_or_init(|| registered);
    manager.set_service_status(status(ServiceState::Running, 0)).map_err(told)?;
    let code = run_command(plan).unwrap_or_else(|failure| {
        warn(format_args!("error: {failure}"));
        failure.code()
    });
    manager.set_service_status(status(ServiceState::Stopped, code)).map_err(told)
}

/// Runs the command with its output redirected to the log. Returns its exit code.
fn run_command(plan: &Plan) -> Result<u8> {
    let path = plan.log.clone().unwrap_or_else(|| default_log(&plan.name));
    let wrong = |error| Failure::run(format!("{}: {error}", path.display()));
    let log = Log::open(&path).map_err(wrong)?;
    net::process::redirect_output(log.file()).map_err(wrong)?;
    let turning = std::thread::Builder::new().name("log".to_owned());
    turning.spawn(move || keep_short(log)).map_err(Failure::run)?;
    if let Some(folder) = &plan.folder {
        let wrong = |error| Failure::run(format!("{}: {error}", folder.display()));
        std::env::set_current_dir(folder).map_err(wrong)?;
    }
    let arguments = plan.command()?;
    crate::log_to_stderr(arguments.verbose);
    let code = crate::run(&arguments.command)?;
    Ok(u8::from(code != ExitCode::SUCCESS))
}

/// Begins a new log file whenever the current one is too large. Runs until the process ends.
fn keep_short(mut log: Log) {
    loop {
        std::thread::sleep(LOOK);
        let turned = log
            .turn(LARGEST)
            .and_then(|turned| if turned { net::process::redirect_output(log.file()) } else { Ok(()) });
        if let Err(error) = turned {
            warn(format_args!("the log stays as it is, and grows: {error}"));
        }
    }
}

/// The status to report to the service manager. `code` is the exit code of a service that has
/// ended.
fn status(state: ServiceState, code: u8) -> ServiceStatus {
    let is_running = state == ServiceState::Running;
    let stops = ServiceControlAccept::STOP | ServiceControlAccept::SHUTDOWN;
    ServiceStatus {
        service_type: ServiceType::OWN_PROCESS,
        current_state: state,
        controls_accepted: if is_running { stops } else { ServiceControlAccept::empty() },
        exit_code: if code == 0 { ServiceExitCode::NO_ERROR } else { ServiceExitCode::ServiceSpecific(code.into()) },
        checkpoint: 0,
        wait_hint: if state == ServiceState::StopPending { ENDING } else { Duration::ZERO },
        process_id: None,
    }
}

fn manager(access: ServiceManagerAccess) -> Result<ServiceManager> {
    ServiceManager::local_computer(None::<&OsStr>, access).map_err(|error| told("the service manager", error))
}

fn code(error: &windows_service::Error) -> Option<i32> {
    match error {
        windows_service::Error::Winapi(error) => error.raw_os_error(),
        _ => None,
    }
}

/// The error message from Windows, which the error's own text omits.
fn reason(error: windows_service::Error) -> String {
    match error {
        windows_service::Error::Winapi(error) => error.to_string(),
        error => error.to_string(),
    }
}

/// Explains in a sentence what Windows refused.
fn told(name: &str, error: windows_service::Error) -> Failure {
    match code(&error) {
        Some(ERROR_ACCESS_DENIED) => Failure::run(format!(
            "{name}: access is denied; services are the administrator's: right would be a console that runs as such"
        )),
        Some(ERROR_SERVICE_DOES_NOT_EXIST) => Failure::input(format!("there is no service {name}")),
        Some(ERROR_SERVICE_EXISTS) => Failure::input(format!(
            "there is a service {name} already; `aes67 service uninstall \"{name}\"` removes it"
        )),
        Some(ERROR_FAILED_SERVICE_CONTROLLER_CONNECT) => Failure::input(format!(
            "`service run` is for Windows's service manager: right would be `net start \"{name}\"`"
        )),
        _ => Failure::run(format!("{name}: {}", reason(error))),
    }
}
